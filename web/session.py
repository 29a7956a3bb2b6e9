"""From a request to who is asking: cookies, the short session memory, guards, and the stamp.

Expects `app.state.db` (wms.db.Db) and `app.state.settings` (wms.settings.Settings). A session is
read from the database at most every CACHE_S seconds per process, so a scan costs no extra query;
a sign-out in another process is seen after at most that long.
"""

import asyncio
import hmac
import re
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from web.masking import look_as
from web.peers import certificate_of
from wms.access import api_keys, rules, signin, token_keys, tokens
from wms.access.audit import Who
from wms.access.installation import pepper
from wms.access.rules import ApiClient, NotSignedIn, Session
from wms.access.tokens import Presented
from wms.db import Db
from wms.errors import Denied
from wms.ids import uuid7
from wms.settings import Settings
from wms.stamp import Stamp

T = TypeVar("T")
Connection = ASGIConnection[Any, Any, Any, Any]

SESSION_COOKIE = "session"
DEVICE_COOKIE = "device"
WAREHOUSE_COOKIE = "warehouse"
DEVICE_LIFE_S = 10 * 365 * 24 * 3600
CACHE_S = 5.0
CACHE_MAX = 4096
_DEVICE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class CrossSite(Denied):
    say = "This request came from another site and was not done."


class Memory:
    """What was read a moment ago, by secret; forgets after CACHE_S seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Any]] = {}
        self._reading: dict[str, asyncio.Task[Any]] = {}

    def find(self, secret: str) -> Any:
        until, thing = self._known.get(secret, (0.0, None))
        return thing if until > time.monotonic() else None

    def keep(self, secret: str, thing: T) -> T:
        if len(self._known) >= CACHE_MAX:
            self._known.clear()
        self._known[secret] = (time.monotonic() + CACHE_S, thing)
        return thing

    async def read(self, secret: str, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Read it and keep it. Of many who ask at once the first reads for all, so that a burst
        does not queue for connections with the same question."""
        task = self._reading.get(secret)
        if task is None:
            task = self._reading[secret] = asyncio.create_task(read())
            task.add_done_callback(lambda _: self._reading.pop(secret))
        found = await asyncio.shield(task)
        return found if found is None else self.keep(secret, found)

    def forget(self, secret: str) -> None:
        self._known.pop(secret, None)


def memory_of(connection: Connection) -> Memory:
    """One memory per application, made on first use (an application is one process here)."""
    state = connection.app.state
    if "sessions" not in state:
        state["sessions"] = Memory()
    return state["sessions"]


async def session_of(connection: Connection) -> Session:
    """Who is signed in on this device. Raises NotSignedIn."""
    token = connection.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise NotSignedIn()
    memory = memory_of(connection)
    session = memory.find(token)
    if not isinstance(session, Session):  # the memory also knows other things by other names
        db: Db = connection.app.state.db
        async with db.reading() as tx:
            session = await signin.find_session(tx, token, now())
        if session is None:
            raise NotSignedIn()
        memory.keep(token, session)
    return session


async def client_of(connection: Connection) -> ApiClient:
    """The partner system whose key or access token is in `Authorization: Bearer …`.

    Raises CredentialMissing, KeyUnknown, KeyExpired, TokenInvalid, CertificateWrong.
    """
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise rules.CredentialMissing()
    memory, name = memory_of(connection), f"bearer {key}"
    known = memory.find(name)
    if not isinstance(known, Presented):
        read = _by_token if key.count(".") == 2 else _by_key
        known = await memory.read(name, lambda: read(connection, key))
    if known.thumbprint and not hmac.compare_digest(
        known.thumbprint, certificate_of(connection)
    ):
        raise rules.CertificateWrong()
    if known.expires_at is not None and known.expires_at <= now():
        raise rules.KeyExpired(
            what="access token", expired_at=f"{known.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            next="Get a fresh one.",
        )  # fmt: skip
    look_as(known.client, connection.app.state.settings)
    return known.client


async def _by_key(connection: Connection, key: str) -> Presented:
    db: Db = connection.app.state.db
    salt = pepper(connection.app.state.settings)
    async with db.reading() as tx:
        client, used = await api_keys.find_client(tx, key, salt)
    if used is not None:
        async with db.transaction() as tx:
            await api_keys.note_use(tx, used)
    return Presented(client=client)


async def _by_token(connection: Connection, token: str) -> Presented:
    db: Db = connection.app.state.db
    async with db.reading() as tx:
        keys = await token_keys.verifying_keys(tx, now())
        claims = tokens.verify(token, keys, public_url(connection.app.state.settings), now())
        return await tokens.narrow(tx, claims)


def public_url(settings: Settings) -> str:
    """How partners and browsers reach us; the issuer of our tokens."""
    return settings.base_url


def stamp_of(session: Session, key: UUID | None = None, device_at: datetime | None = None) -> Stamp:
    """The stamp of an act of this person now; a missing request key is made up."""
    return Stamp(
        warehouse_id=session.warehouse_id,
        at=now(),
        key=key or uuid7(),
        user_id=session.user_id,
        actor=f"user:{session.code}",
        device=session.device,
        device_at=device_at,
    )


def partner_stamp(
    client: ApiClient, warehouse_id: int, key: UUID | None = None, correlation_id: str = ""
) -> Stamp:
    """The stamp of a request of a partner system. Raises WarehouseForbidden."""
    rules.require_warehouse(client, warehouse_id)
    return Stamp(
        warehouse_id=warehouse_id,
        at=now(),
        key=key or uuid7(),
        actor=f"partner:{client.code}",
        correlation_id=correlation_id,
    )


def who_of(connection: Connection, asks: Session | ApiClient) -> Who:
    """Who acts and from where, for the audit log."""
    address = connection.client.host if connection.client else ""
    given = connection.headers.get("x-request-id", "")[:128]
    request_id = given if given.isascii() and given.isprintable() else ""
    if isinstance(asks, ApiClient):
        return Who(actor=f"partner:{asks.code}", origin=address,
                   request_id=request_id or str(uuid7()))  # fmt: skip
    return Who(
        actor=f"user:{asks.code}", origin=f"{address} {asks.device}",
        request_id=request_id or str(uuid7()), warehouse_id=asks.warehouse_id,
    )  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


def initials(name: str) -> str:
    """Two letters for the corner of the page: `Pia Berg` is PB."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def needs(*roles: str) -> Guard:
    """A guard: any one of these roles. Raises NotSignedIn or RoleMissing."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        rules.require(await session_of(connection), *roles)

    return guard


def needs_scope(scope: str) -> Guard:
    """A guard for partner systems. Raises KeyUnknown or ScopeMissing."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        rules.require_scope(await client_of(connection), scope)

    return guard


def signed_in(connection: Connection, _handler: BaseRouteHandler) -> Any:
    """A guard: somebody is signed in. Raises NotSignedIn."""
    return session_of(connection)


async def same_site(connection: Connection, _handler: BaseRouteHandler | None) -> None:
    """A guard for everything that trusts a cookie: a write must come from our own pages.

    Browsers say where a request comes from (`Sec-Fetch-Site`, or `Origin`); other programs send
    neither, and carry no cookie against their will. Raises CrossSite.
    """
    if connection.scope.get("method", "GET") in _SAFE_METHODS:
        return
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise CrossSite()
        return
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):
        raise CrossSite()


def device_of(connection: Connection) -> str:
    """The device's id from its cookie, or a new one (send it back with `device_cookie`)."""
    known = connection.cookies.get(DEVICE_COOKIE, "")
    return known if _DEVICE.fullmatch(known) else str(uuid4())


def device_cookie(device: str, settings: Settings) -> Cookie:
    return _cookie(DEVICE_COOKIE, device, DEVICE_LIFE_S, settings)


def session_cookie(token: str, settings: Settings) -> Cookie:
    """An empty token deletes the cookie."""
    life_s = int(signin.SESSION_LIFE.total_seconds()) if token else 0
    return _cookie(SESSION_COOKIE, token, life_s, settings)


def warehouse_cookie(code: str, settings: Settings) -> Cookie:
    """The warehouse this device stands in."""
    return _cookie(WAREHOUSE_COOKIE, code, DEVICE_LIFE_S, settings)


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach us over https only, so that cookies need never travel in clear."""
    return settings.secure_cookies or settings.public_url.startswith("https://")


def _cookie(key: str, value: str, life_s: int, settings: Settings) -> Cookie:
    return Cookie(
        key=key, value=value, max_age=life_s, path="/", httponly=True, samesite="lax",
        secure=is_secure(settings),
    )  # fmt: skip
