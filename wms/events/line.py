"""Carries hints (wms/events/wake.py) between the processes of one database, by LISTEN and NOTIFY.

On a connection of its own, never inside a business transaction: there a NOTIFY would hold a lock of
the whole database until the commit. At most one round trip each GAP_S, however much is hinted.
"""

import asyncio
import logging
from typing import Any

import asyncpg

from wms.events import wake

CHANNEL = "wms_hint"
GAP_S, AGAIN_S = 0.01, 1.0
log = logging.getLogger("wms.events")


class Line:
    """One process's end; `run` is its whole life."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.get_running_loop()
        self._url = url
        self._words: set[str] = set()
        self._woken = asyncio.Event()
        self.is_open = asyncio.Event()

    def say(self, word: str) -> None:
        """Tell the other processes soon."""
        self._words.add(word)
        self._woken.set()

    async def run(self) -> None:
        """Carry hints until cancelled; a broken connection is made anew."""
        with wake.carrying(self):
            while True:
                try:
                    await self._carry()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.info("hints to other processes wait: %s", error)
                self.is_open.clear()
                await asyncio.sleep(AGAIN_S)

    async def _carry(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            mine = connection.get_server_pid()

            def hear(_connection: Any, pid: int, _channel: str, word: object) -> None:
                if pid != mine:
                    wake.hear(str(word))

            connection.add_termination_listener(lambda _connection: self._woken.set())
            await connection.add_listener(CHANNEL, hear)
            self.is_open.set()
            wake.hear(wake.RELOAD)  # what was said while nobody listened
            while not connection.is_closed():
                await self._woken.wait()
                self._woken.clear()
                words, self._words = self._words, set()
                if words and not connection.is_closed():
                    await connection.execute(
                        "SELECT pg_notify($1, word) FROM unnest($2::text[]) word",
                        CHANNEL, sorted(words),
                    )  # fmt: skip
                await asyncio.sleep(GAP_S)
        finally:
            connection.terminate()
