"""The installation's one secret key, and the keys derived from it for each purpose.

It comes from WMS_SECRET_KEY or lies in the data directory, readable by its owner only. Processes
that share a database must share it: API keys are peppered and private keys sealed with it.
"""

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet

from wms.settings import Settings

KEY_FILE = "secret.key"


def installation_key(settings: Settings) -> tuple[str, bytes]:
    """Where the key is, and the key (in Fernet's form); made when there is none yet."""
    phrase = os.environ.get("WMS_SECRET_KEY", "")
    if phrase:
        return "WMS_SECRET_KEY", base64.urlsafe_b64encode(hashlib.sha256(phrase.encode()).digest())
    path = Path(settings.data_dir) / KEY_FILE
    if not path.exists():
        _make(path)
    return str(path), path.read_bytes()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f"{KEY_FILE}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(Fernet.generate_key())
    with suppress(FileExistsError):  # another process was first: its key counts
        os.link(mine, path)
    mine.unlink()


def purpose_key(settings: Settings, purpose: str) -> bytes:
    """A key for one purpose; knowing it tells nothing about the others."""
    return hmac.digest(installation_key(settings)[1], purpose.encode(), "sha256")


def pepper(settings: Settings) -> bytes:
    """What the hashes of API keys are keyed with, so that the database alone opens nothing."""
    return purpose_key(settings, "api keys")


def sealer(settings: Settings, purpose: str) -> Fernet:
    """Seals what must be stored and read back."""
    return Fernet(base64.urlsafe_b64encode(purpose_key(settings, purpose)))
