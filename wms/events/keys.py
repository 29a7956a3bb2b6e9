"""Signing keys: made here, sealed at rest, opened only to sign.

The installation's key comes from WMS_SECRET_KEY or lies in the data directory, readable by its
owner only. Losing it means new signing secrets for every endpoint; nothing else is lost.
"""

import base64
import hmac
import secrets
from datetime import datetime

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wms.access.installation import installation_key
from wms.errors import Refused
from wms.settings import Settings

HMAC, ED25519 = "v1", "v1a"


class KeyLost(Refused):
    say = (
        "A signing secret cannot be opened with this installation's key ({where}). Restore that "
        "key, or give the endpoint a new secret."
    )


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """One signing key of one endpoint; `key` is raw bytes, in memory only."""

    kid: str
    alg: str
    key: bytes

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """One entry of the webhook-signature header over `id.timestamp.body`."""
        content = f"{message_id}.{timestamp}.".encode() + body
        if self.alg == ED25519:
            made = Ed25519PrivateKey.from_private_bytes(self.key).sign(content)
        else:
            made = hmac.digest(self.key, content, "sha256")
        return f"{self.alg},{base64.b64encode(made).decode()}"


class SealedSecret(msgspec.Struct, kw_only=True):
    """A row of endpoint_secret."""

    endpoint_id: int
    kid: str
    alg: str
    sealed: bytes
    active_from: datetime
    expires_at: datetime | None = None


class Vault:
    """Seals and opens signing keys with the installation's key."""

    def __init__(self, settings: Settings) -> None:
        self.where, key = installation_key(settings)
        self._fernet = Fernet(key)
        self.mask_key = hmac.digest(key, b"masks", "sha256")  # for hashes that stay joinable
        self.link_key = hmac.digest(key, b"event links", "sha256")

    def seal(self, secret: Secret) -> bytes:
        return self._fernet.encrypt(secret.key)

    def open(self, row: SealedSecret) -> Secret:
        """Raises KeyLost when the installation's key is another one."""
        try:
            key = self._fernet.decrypt(row.sealed)
        except InvalidToken:
            raise KeyLost(where=self.where) from None
        return Secret(kid=row.kid, alg=row.alg, key=key)


def new_secret(alg: str = HMAC) -> tuple[Secret, str, str]:
    """A fresh key, the text its receiver needs (shown once), and the public key if it has one."""
    kid = f"k_{secrets.token_hex(6)}"
    if alg == ED25519:
        private = Ed25519PrivateKey.generate()
        key = private.private_bytes_raw()
        public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
        return Secret(kid=kid, alg=alg, key=key), public, public
    key = secrets.token_bytes(32)
    return Secret(kid=kid, alg=HMAC, key=key), "whsec_" + base64.b64encode(key).decode(), ""
