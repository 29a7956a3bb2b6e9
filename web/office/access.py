"""Access: badges to unlock, partner systems and their keys, and the audit log.

GET  /office/access                            people; a supervisor helps the floor
POST /office/access/people/{code}/unlock       …/pin  pin=   (…/email  email=  for admins)

For admins, below /office/access/clients:
GET, POST /                                    a new client: code, warehouse, owner, scope, days
POST /{code}/change                            warehouse, owner, scope
POST /{code}/keys                              one more key, shown once
POST /{code}/keys/{kid}/revoke                 POST /{code}/off, /{code}/on
GET  /office/access/audit?actor=&act=&subject=&before=
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office.frame import GUARDS, REQUEST, face_of, field, fields, onward, page
from web.office.writing import Writing, writing
from web.session import needs, now, same_site
from wms.access import api_keys, audit, clients, people, queries, signin
from wms.access.audit import Wanted
from wms.access.installation import pepper
from wms.access.rules import SCOPES
from wms.db import Tx
from wms.errors import WmsError
from wms.events import bounds

ACCESS = "/office/access"
CLIENTS = f"{ACCESS}/clients"
ADMIN = [needs("admin"), same_site]
ENTRIES = 100
NO_STORE = {"cache-control": "no-store"}
Act = Callable[[Writing], Awaitable[str]]


async def _do(request: REQUEST, back: str, act: Act) -> Response[Any]:
    """One transaction; says what was done, or why not, on the page one came from."""
    try:
        async with writing(request) as write:
            said = await act(write)
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"{back}?{urlencode({'message': said})}")


# ---- people --------------------------------------------------------------------------------------


@get(ACCESS, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        known = await queries.list_people(tx)
        signed_in = await queries.list_signed_in(tx, face.session.warehouse_id, face.stamp.at)
    where = {person.code: person for person in signed_in}
    known.sort(key=lambda person: (not person.locked, person.code))
    provider = bool(request.app.state.settings.oidc_issuer)
    return page(
        request, face, "access", "access", people=known, where=where, tab="people",
        provider=provider,
    )  # fmt: skip


@post(f"{ACCESS}/people/{{code:str}}/unlock", guards=GUARDS, include_in_schema=False)
async def unlock(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """Five more tries with the same PIN."""

    async def act(write: Writing) -> str:
        await people.require_charge(write.tx, write.session, code)
        await signin.unlock(write.tx, code)
        await write.note("badge.unlocked", f"user/{code}")
        return f"The badge of {code} is unlocked."

    return await _do(request, ACCESS, act)


@post(f"{ACCESS}/people/{{code:str}}/pin", guards=GUARDS, include_in_schema=False)
async def reset_pin(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """A new PIN that the person was told; open sessions end."""
    pin = field(await request.form(), "pin")

    async def act(write: Writing) -> str:
        user_id = await people.require_charge(write.tx, write.session, code)
        await people.reset_pin(write.tx, user_id, pin)
        await write.note("pin.reset", f"user/{code}")
        return f"{code} has a new PIN and signs in again with it."

    return await _do(request, ACCESS, act)


@post(f"{ACCESS}/people/{{code:str}}/email", guards=ADMIN, include_in_schema=False)
async def set_email(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """Who this person is to the identity provider."""
    email = field(await request.form(), "email").strip()[:254]

    async def act(write: Writing) -> str:
        user_id = await people.require_charge(write.tx, write.session, code)
        await people.set_email(write.tx, user_id, email)
        await write.note("user.email_set", f"user/{code}", after={"email": email})
        return f"{code} is {email or 'nobody'} to the identity provider."

    return await _do(request, ACCESS, act)


# ---- partner systems -----------------------------------------------------------------------------


async def _clients(
    request: REQUEST, message: str = "", key: str = "", status: int = 200
) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        known = await clients.list_clients(tx)
        warehouses, owners = await clients.list_places(tx)
    answer = page(
        request, face, "access", "access_clients", status, clients=known, scopes=SCOPES,
        warehouses=warehouses, owners=owners, key=key, said=message, tab="clients",
        days_max=api_keys.DAYS_MAX,
    )  # fmt: skip
    answer.headers.update(NO_STORE)
    return answer


@get(CLIENTS, guards=ADMIN, include_in_schema=False)
async def show_clients(request: REQUEST) -> Response[Any]:
    return await _clients(request)


async def _make_key(request: REQUEST, act: Act, said: str) -> Response[Any]:
    """The page with the new key on it, once; or the reason."""
    try:
        async with writing(request) as write:
            key = await act(write)
    except WmsError as refusal:
        return await _clients(request, str(refusal), status=422)
    return await _clients(request, said, key)


@post(CLIENTS, guards=ADMIN, include_in_schema=False)
async def add_client(request: REQUEST) -> Response[Any]:
    form = await request.form()
    code, days = field(form, "code").strip(), field(form, "days")
    salt = pepper(request.app.state.settings)

    async def act(write: Writing) -> str:
        key = await clients.create_client(
            write.tx, code, **await _opens(write.tx, form), pepper=salt, days=_days(days),
            by=write.who.actor,
        )  # fmt: skip
        view = await clients.get_view(write.tx, code)
        await write.note("client.added", f"client/{code}", after=view)
        return key

    return await _make_key(request, act, f"{code} may call the API.")


async def _opens(tx: Tx, form: Any) -> dict[str, Any]:
    return {
        "warehouse_ids": await clients.warehouse_ids(tx, fields(form, "warehouse")),
        "owner_ids": await clients.owner_ids(tx, fields(form, "owner")),
        "scopes": fields(form, "scope"),
    }


def _days(text: str) -> int:
    """Left empty: as long as it may be. What is no number is refused where keys are made."""
    if not text:
        return api_keys.DAYS_MAX
    return whole(text, 9999) or 0


@post(f"{CLIENTS}/{{code:str}}/change", guards=ADMIN, include_in_schema=False)
async def change_client(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    form = await request.form()

    async def act(write: Writing) -> str:
        before = await clients.get_view(write.tx, code)
        await clients.change_client(write.tx, code, **await _opens(write.tx, form))
        after = await clients.get_view(write.tx, code)
        await bounds.bound(write.tx, after, write.who.actor, now())
        await write.note("client.changed", f"client/{code}", before=before, after=after)
        return f"{code} is changed."

    return await _do(request, CLIENTS, act)


@post(f"{CLIENTS}/{{code:str}}/keys", guards=ADMIN, include_in_schema=False)
async def add_key(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    days = _days(field(await request.form(), "days"))
    salt = pepper(request.app.state.settings)

    async def act(write: Writing) -> str:
        key = await api_keys.make_key(write.tx, code, pepper=salt, days=days, by=write.who.actor)
        made = {"kid": key.split("_")[1]}
        await write.note("client.key_made", f"client/{code}", after=made)
        return key

    return await _make_key(request, act, f"A new key of {code}; the others go on working.")


@post(f"{CLIENTS}/{{code:str}}/keys/{{kid:str}}/revoke", guards=ADMIN, include_in_schema=False)
async def revoke_key(request: REQUEST, code: FromPath[str], kid: FromPath[str]) -> Response[Any]:
    async def act(write: Writing) -> str:
        await api_keys.revoke_key(write.tx, code, kid)
        await write.note("client.key_revoked", f"client/{code}", after={"kid": kid})
        return f"The key {kid} of {code} opens nothing any more."

    return await _do(request, CLIENTS, act)


@post(f"{CLIENTS}/{{code:str}}/off", guards=ADMIN, include_in_schema=False)
async def switch_off(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    async def act(write: Writing) -> str:
        await clients.switch_off(write.tx, code)
        view = await clients.get_view(write.tx, code)
        await bounds.bound(write.tx, view, write.who.actor, now())
        await write.note("client.switched_off", f"client/{code}")
        return f"{code} is switched off, and its endpoints rest."

    return await _do(request, CLIENTS, act)


@post(f"{CLIENTS}/{{code:str}}/on", guards=ADMIN, include_in_schema=False)
async def switch_on(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    async def act(write: Writing) -> str:
        await clients.switch_on(write.tx, code)
        await write.note("client.switched_on", f"client/{code}")
        return f"{code} is switched on."

    return await _do(request, CLIENTS, act)


# ---- the audit log -------------------------------------------------------------------------------


@get(f"{ACCESS}/audit", guards=ADMIN, include_in_schema=False)
async def show_audit(request: REQUEST) -> Response[Any]:
    asked = {
        name: "".join(c for c in request.query_params.get(name, "") if c.isprintable())[:200]
        for name in ("actor", "act", "subject", "before")
    }
    before = whole(asked["before"]) or 0
    wanted = Wanted(actor=asked["actor"], act=asked["act"], subject=asked["subject"])
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        entries = await audit.list_newest(tx, wanted, before, ENTRIES)
    more = urlencode({**asked, "before": entries[-1].id}) if len(entries) == ENTRIES else ""
    return page(
        request, face, "access", "access_audit", entries=entries, asked=asked, more=more,
        tab="audit",
    )  # fmt: skip


HANDLERS = [
    show, unlock, reset_pin, set_email, show_clients, add_client, change_client, add_key,
    revoke_key, switch_off, switch_on, show_audit,
]  # fmt: skip
