"""Signing keys of endpoints in the database: which sign now, and the rotation with overlap.

During an overlap every live key signs, so a receiver changes its key whenever it likes in between.
"""

from datetime import datetime

from sqlalchemy import text

from wms.db import Tx, insert, rows
from wms.events.keys import SealedSecret, Secret, Vault, new_secret
from wms.events.tables import endpoint_secret

LIVE_SECRETS = text(
    """
    SELECT endpoint_id, kid, alg, sealed, active_from, expires_at FROM endpoint_secret
     WHERE endpoint_id = ANY (CAST(:ids AS bigint[])) AND active_from <= now()
       AND (expires_at IS NULL OR expires_at > now())
     ORDER BY endpoint_id, active_from DESC, kid
    """
)


async def live_secrets(tx: Tx, ids: list[int]) -> list[SealedSecret]:
    """Keys that sign now, newest first; still sealed."""
    return await rows(tx, LIVE_SECRETS, SealedSecret, ids=ids)


async def store_secret(
    tx: Tx, endpoint_id: int, alg: str, vault: Vault, at: datetime
) -> tuple[Secret, str]:
    secret, shown, _public = new_secret(alg)
    await insert(
        tx, endpoint_secret, returning="kid", endpoint_id=endpoint_id, kid=secret.kid,
        alg=secret.alg, sealed=vault.seal(secret), active_from=at,
    )  # fmt: skip
    return secret, shown
