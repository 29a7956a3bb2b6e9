"""Links to the data of events that are too large to send: signed, for one endpoint, for a week.

A link opens nothing by itself: who follows it shows a key that may read the event. It says for
which endpoint it was made, so the data is masked as that endpoint's deliveries are.
"""

import hmac
import math
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import msgspec

from wms.errors import Denied
from wms.events.envelope import Site, public_id, rfc3339

LASTS = timedelta(days=7)
HOUR_S = 3600


class LinkWrong(Denied):
    say = "This link was not sent by us, or to somebody else."


class LinkExpired(Denied):
    say = "This link ended at {at}. Sent again, the event brings a new one."


class Links(msgspec.Struct, frozen=True):
    """Links for one endpoint's deliveries from one warehouse."""

    site: Site
    endpoint: str
    key: bytes

    def to(self, event_id: UUID, at: datetime) -> str:
        """Ends at a full hour, so attempts soon after each other send the same bytes."""
        expires = math.ceil((at + LASTS).timestamp() / HOUR_S) * HOUR_S
        signature = self.sign(event_id, expires)
        return (
            f"{self.site.base_url}/v1/warehouses/{quote(self.site.code)}"
            f"/events/{public_id(event_id)}/data"
            f"?endpoint={quote(self.endpoint)}&expires={expires}&signature={signature}"
        )

    def sign(self, event_id: UUID, expires: int) -> str:
        said = f"{self.site.code}\n{self.endpoint}\n{event_id.hex}\n{expires}"
        return hmac.new(self.key, said.encode(), "sha256").hexdigest()

    def check(self, event_id: UUID, expires: int, signature: str, at: datetime) -> None:
        """Raises LinkWrong, LinkExpired."""
        if not hmac.compare_digest(self.sign(event_id, expires).encode(), signature.encode()):
            raise LinkWrong()
        if at.timestamp() >= expires:
            raise LinkExpired(at=rfc3339(datetime.fromtimestamp(expires, UTC)))
