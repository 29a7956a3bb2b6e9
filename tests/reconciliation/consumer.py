"""A consumer as a partner might write it: it knows events by position, and nothing else of us."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

import httpx

NAMED_MAX = 20_000  # positions that one request may tell by their ids


def digest(ids: Iterable[str]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(id[4:]) for id in ids)).hexdigest()


class Consumer:
    """Holds ids by position. `cuts` ranges replace one that differs; of `leaf` positions ids are
    sent. `asked` counts the requests it made."""

    def __init__(self, http: httpx.AsyncClient, cuts: int = 200, leaf: int = 1000) -> None:
        self.http = http
        self.cuts, self.leaf = cuts, leaf
        self.held: dict[int, str] = {}
        self.asked = 0

    def most_requests(self, span: int) -> int:
        """Requests that find one loss: the whole, each cut, and the ids."""
        return 2 + math.ceil(math.log(max(1, span / self.leaf), self.cuts))

    async def find_missing(self, low: int, high: int) -> dict[int, str]:
        """What the log has from `low` to `high` and this consumer has not."""
        missing: dict[int, str] = {}
        todo, leaves = [(low, high)], list[tuple[int, int]]()
        while todo:
            some, todo = todo[:1000], todo[1000:]
            for found in await self._ask([self._hashed(*each) for each in some]):
                here = found["from_pos"], found["to_pos"]
                if here[1] - here[0] < self.leaf:
                    leaves.append(here)
                else:
                    todo += self._cut(*here)
        fit = max(1, NAMED_MAX // self.leaf)
        for at in range(0, len(leaves), fit):
            for found in await self._ask([self._named(*each) for each in leaves[at : at + fit]]):
                assert not found["unknown"]
                missing |= {each["pos"]: each["id"] for each in found["missing"]}
        return missing

    async def _ask(self, ranges: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.asked += 1
        answer = await self.http.post("/reconciliation/stream/compare", json={"ranges": ranges})
        assert answer.status_code == 200, answer.text
        return answer.json()["differing"]

    def _ids(self, low: int, high: int) -> list[str]:
        return [self.held[pos] for pos in range(low, high + 1) if pos in self.held]

    def _hashed(self, low: int, high: int) -> dict[str, Any]:
        ids = self._ids(low, high)
        return {"from_pos": low, "to_pos": high, "count": len(ids), "hash": digest(ids)}

    def _named(self, low: int, high: int) -> dict[str, Any]:
        return {"from_pos": low, "to_pos": high, "ids": self._ids(low, high)}

    def _cut(self, low: int, high: int) -> list[tuple[int, int]]:
        step = -(-(high - low + 1) // self.cuts)
        return [(at, min(at + step - 1, high)) for at in range(low, high + 1, step)]
