"""How an office page writes: one transaction, done by the person who is signed in, and audited.

No other page below /office opens a transaction, but those of signing in (a test sees to it).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from web.office.frame import REQUEST
from web.session import session_of, stamp_of, who_of
from wms.access import audit
from wms.access.audit import Who
from wms.access.rules import Session
from wms.db import Tx
from wms.stamp import Stamp


class Writing:
    """An open write: its transaction, and who does it."""

    def __init__(self, tx: Tx, session: Session, who: Who) -> None:
        self.tx = tx
        self.session = session
        self.who = who
        self.stamp: Stamp = stamp_of(session)
        self.noted = False

    async def note(
        self, act: str, subject: str, *, before: object = None, after: object = None, why: str = ""
    ) -> None:
        """The entry in the audit log: `order.held` of `order/17`, for instance."""
        await audit.record(self.tx, self.who, act, subject, before=before, after=after, why=why)
        self.noted = True


@asynccontextmanager
async def writing(request: REQUEST) -> AsyncIterator[Writing]:
    """One transaction that notes what it does; what is refused leaves neither act nor entry."""
    session = await session_of(request)
    async with request.app.state.db.transaction() as tx:
        write = Writing(tx, session, who_of(request, session))
        yield write
        assert write.noted, "every write of the office stands in the audit log"


async def note(request: REQUEST, act: str, subject: str, *, why: str = "") -> None:
    """An entry by itself, for what is done in several transactions; before it is begun."""
    async with writing(request) as write:
        await write.note(act, subject, why=why)
