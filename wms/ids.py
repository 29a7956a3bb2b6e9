"""Time-ordered identifiers (UUID version 7, RFC 9562 section 5.7) for request keys and events."""

import time
from random import Random, SystemRandom
from uuid import UUID

# Seeded from the system in every process: unique without a system call for each id. These ids are
# names, not secrets.
_bits = Random(SystemRandom().getrandbits(256)).getrandbits


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | _bits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
