"""The public keys with which a partner signs its assertions, as a JSON Web Key Set (RFC 7517)."""

from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from wms.errors import Invalid

ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "ES384", "PS256", "RS256")  # asymmetric only
KEYS_MAX = 10


class BadKeySet(Invalid):
    say = "That is no set of public keys: {why}."


def read_jwks(document: bytes) -> dict[str, Any]:
    """A key set as it is stored: public halves only. Raises BadKeySet."""
    try:
        given = msgspec.json.decode(document)
        keys = KeySet.import_key_set(given).keys
    except (msgspec.MsgspecError, JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise BadKeySet(why="it cannot be read as a JSON Web Key Set") from None
    if not 1 <= len(keys) <= KEYS_MAX:
        raise BadKeySet(why=f"it has {len(keys)} keys, not 1 to {KEYS_MAX}")
    if any(key.key_type == "oct" for key in keys):
        raise BadKeySet(why="it has a shared secret; give public keys")
    return {"keys": [key.as_dict(private=False) for key in keys]}
