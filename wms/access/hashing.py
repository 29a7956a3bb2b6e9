"""How badges, keys and PINs are stored: never in clear, and never comparable across each other.

A badge label and a session token are long random-like strings: one SHA-256 finds the row. A PIN is
short, so it is salted and stretched with scrypt (RFC 7914).
"""

import hashlib
import hmac

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**13, 8, 1  # 8 MB and about 20 ms an attempt


def secret_hash(secret: str) -> bytes:
    """The stored form of a badge label, a session token or an API key."""
    return hashlib.sha256(secret.encode()).digest()


def pin_hash(pin: str, salt: bytes) -> bytes:
    """The stored form of a PIN: 16 bytes of salt, then the scrypt digest."""
    digest = hashlib.scrypt(pin.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=32)
    return salt + digest


def pin_fits(pin: str, stored: bytes) -> bool:
    return hmac.compare_digest(pin_hash(pin, stored[:16]), stored)
