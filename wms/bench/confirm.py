"""`wms bench confirm`: confirmed pick scans per second through HTTP, against the bare statement.

For 1, 8 and 32 clients: the server answers real acts of signed-in pickers (session, rules, request
key, evidence, ledger, events); right before and after, pgbench runs the floor with as many
connections. Afterwards the ledger is verified, so a fast wrong answer is no answer.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator

import aiohttp
import msgspec

from wms.bench import floor, ground
from wms.bench.load import Timed, run_load
from wms.db import Db
from wms.migrate import upgrade
from wms.serve import start_child
from wms.settings import read_settings
from wms.verify import run_verify

PORT = 8499
HOST = "127.0.0.1"


class Round(msgspec.Struct, frozen=True):
    """One line of the report."""

    clients: int
    scans_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    floor_per_s: float
    floor_p50_ms: float
    floor_p99_ms: float
    ratio: float


class ConfirmReport(msgspec.Struct, frozen=True):
    """`ratio_best` relates the best scan rate to the floor at 16 connections, as the reference
    does; `server_cpu_us` is the server's CPU time a scan."""

    rounds: list[Round]
    floor_16_per_s: float
    ratio_best: float
    server_cpu_us: float
    ledger_ok: bool


async def run(server_url: str, seconds: int, clients: list[int]) -> ConfirmReport:
    """Measure in a database of its own on that server."""
    url = await ground.make_database(server_url, "wms_bench_confirm")
    await asyncio.to_thread(upgrade, url)
    people = await ground.make_ground(url, max(clients))
    await floor.prepare(url)
    settings = read_settings(database_url=url, port=PORT, host=HOST)
    server = start_child(settings)
    try:
        await answers(server)
        sessions = await asyncio.gather(*(sign_in(badge) for badge in people.badges))
        rounds: list[Round] = []
        cpu, scans = 0.0, 0
        for count in clients:
            before = await floor.measure(url, count, max(seconds // 2, 2))
            orders = max(400, 700 * seconds)
            acts = await ground.make_work(url, f"C{count}", orders, max(clients))
            used = cpu_s(server.pid)
            timed = await run_load(
                HOST, PORT, requests(acts, sessions, count), seconds, b'"ok":true'
            )
            cpu += cpu_s(server.pid) - used
            scans += timed.done
            after = await floor.measure(url, count, max(seconds // 2, 2))
            rounds.append(_round(timed, before, after))
        top = await floor.measure(url, 16, max(seconds // 2, 2))
    finally:
        server.terminate()
        server.wait(20)
    db = Db(url)
    try:
        problems = await run_verify(db)
    finally:
        await db.close()
    best = max(each.scans_per_s for each in rounds)
    return ConfirmReport(rounds, round(top.per_s), round(best / top.per_s, 3),
                         round(cpu / max(scans, 1) * 1e6), not problems)  # fmt: skip


def _round(timed: Timed, before: floor.Floor, after: floor.Floor) -> Round:
    per_s = (before.per_s + after.per_s) / 2
    return Round(
        timed.clients, round(timed.per_s), round(timed.p50_ms, 2), round(timed.p99_ms, 2),
        timed.failed, round(per_s), round((before.p50_ms + after.p50_ms) / 2, 2),
        round((before.p99_ms + after.p99_ms) / 2, 2), round(timed.per_s / per_s, 3),
    )  # fmt: skip


def requests(
    acts: dict[str, list[bytes]], cookies: list[str], count: int
) -> list[Iterator[bytes]]:
    """The acts of all pickers dealt to `count` connections, each with its picker's cookie."""
    dealt: list[list[bytes]] = [[] for _ in range(count)]
    for n, cookie in enumerate(cookies):
        for body in acts.get(f"U{n + 1}", []):
            head = (
                f"POST /floor/act HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            dealt[n % count].append(head.encode() + body)
    return [iter(requests) for requests in dealt]


async def sign_in(badge: str, port: int = PORT) -> str:
    """The cookies of a picker who signed in."""
    async with aiohttp.ClientSession() as http:
        answer = await http.post(
            f"http://{HOST}:{port}/floor/login",
            data={"badge": badge, "pin": ground.PIN}, allow_redirects=False,
        )  # fmt: skip
        if answer.status != 303:
            raise RuntimeError(f"cannot sign in: {answer.status} {(await answer.text())[:300]}")
        return "; ".join(f"{c.key}={c.value}" for c in answer.cookies.values())


async def answers(server: subprocess.Popen[bytes], port: int = PORT) -> None:
    """Until the server does. Raises RuntimeError when it ends or stays silent."""
    until = time.monotonic() + 120
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < until:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with code {server.returncode}")
            try:
                async with http.get(f"http://{HOST}:{port}/floor/login"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
    raise RuntimeError("the server did not answer within 2 min")


def cpu_s(pid: int) -> float:
    """User and system CPU seconds of a process so far (Linux)."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
