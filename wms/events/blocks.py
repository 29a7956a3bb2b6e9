"""Sealed blocks: a Merkle root over a run of the log, chained to the block before.

The tree is that of RFC 6962 section 2.1 (leaf prefix 0x00, node prefix 0x01), so one event can be
proved with its neighbours' hashes alone. Pure: bytes in, bytes out.
"""

from hashlib import sha256

import msgspec

SIZE = 1000  # events a block holds at most
WAIT_S = 1.0  # a tail this old is closed even if small


class Block(msgspec.Struct, kw_only=True):
    """One block; `hash` covers the one before, so the last hash vouches for the whole log."""

    warehouse_id: int
    block_no: int
    from_pos: int
    to_pos: int
    root: bytes
    prev_hash: bytes

    @property
    def hash(self) -> bytes:
        head = f"{self.warehouse_id}:{self.block_no}:{self.from_pos}:{self.to_pos}:".encode()
        return sha256(head + self.root + self.prev_hash).digest()


def merkle_root(leaves: list[bytes]) -> bytes:
    """The root of leaf hashes (already prefixed and hashed). Of nothing: the hash of nothing."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0]


def merkle_path(leaves: list[bytes], index: int) -> list[tuple[str, bytes]]:
    """The proof of one leaf: sides and hashes from the leaf up to the root."""
    path: list[tuple[str, bytes]] = []
    level = list(leaves)
    while len(level) > 1:
        mate = index ^ 1
        if mate < len(level):
            path.append(("left" if mate < index else "right", level[mate]))
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
        index //= 2
    return path
