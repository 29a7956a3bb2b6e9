"""The life of an exception: opened, told again, assigned, resolved, discarded, opened anew.

Guarantees: one row a (code, subject); every change is a row of history and, when its state or its
person changed, an event, all in the caller's transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events import catalog
from wms.events.outbox import emit
from wms.exceptions import rules
from wms.exceptions.rules import (
    CODES,
    ExceptionEnded,
    ReasonMissing,
    UnknownAssignee,
    UnknownException,
)
from wms.stamp import Stamp


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble as a source sees it now."""

    subject: str
    facts: dict[str, Any]
    owner: str = ""
    screen: str = ""
    since: datetime | None = None  # when it happened; now, unless a log was read later


class Head(msgspec.Struct, kw_only=True):
    """An exception's row as an act sees it."""

    id: int
    code: str
    subject: str
    owner: str
    team: str
    severity: str
    state: str
    facts: dict[str, Any]
    times: int
    reopened: int
    opened_at: datetime
    last_at: datetime
    due_at: datetime
    assignee_id: int | None


class _Id(msgspec.Struct):
    id: int


_COLUMNS = """
    id, code, subject, owner, team, severity, state, facts, times, reopened, opened_at, last_at,
    due_at, assignee_id
"""
# exception_warehouse_id_code_subject_key decides between two who open the same.
INSERT = text(
    f"""
    INSERT INTO exception (warehouse_id, code, subject, owner, team, severity, facts, screen,
                           opened_at, last_at, due_at)
    VALUES (:warehouse_id, :code, :subject, :owner, :team, :severity, CAST(:facts AS jsonb),
            :screen, :at, :at, :due_at)
    ON CONFLICT (warehouse_id, code, subject) DO NOTHING
    RETURNING {_COLUMNS}
    """
)
TAKE_SUBJECT = text(
    f"""
    SELECT {_COLUMNS} FROM exception
     WHERE warehouse_id = :warehouse_id AND code = :code AND subject = :subject FOR UPDATE
    """
)
TAKE = text(
    f"""
    SELECT {_COLUMNS} FROM exception
     WHERE warehouse_id = :warehouse_id AND id = :id FOR UPDATE
    """
)
OPEN_OF_CODE = text(
    f"""
    SELECT {_COLUMNS} FROM exception
     WHERE warehouse_id = :warehouse_id AND code = :code AND state = 'open'
     ORDER BY id FOR UPDATE
    """
)
AGAIN = text(
    f"""
    UPDATE exception SET facts = CAST(:facts AS jsonb), last_at = :at, times = times + 1,
           screen = :screen
     WHERE warehouse_id = :warehouse_id AND id = :id RETURNING {_COLUMNS}
    """
)
SEEN = text(
    """
    UPDATE exception SET last_at = :at
     WHERE warehouse_id = :warehouse_id AND id = :id AND last_at < :at
    """
)
REOPEN = text(
    f"""
    UPDATE exception SET state = 'open', facts = CAST(:facts AS jsonb), times = times + 1,
           screen = :screen, reopened = reopened + 1, opened_at = :at, last_at = :at,
           due_at = :due_at, team = :team, escalated_at = NULL, assignee_id = NULL,
           ended_at = NULL, ended_by = '', ended_how = ''
     WHERE warehouse_id = :warehouse_id AND id = :id RETURNING {_COLUMNS}
    """
)
END = text(
    """
    UPDATE exception SET state = :state, ended_at = :at, ended_by = :actor, ended_how = :how
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
END_LETTERS = text(
    """
    UPDATE inbound_letter SET state = :state
     WHERE warehouse_id = :warehouse_id AND exception_id = :id AND state = 'failed'
    """
)
ASSIGN = text(
    """
    UPDATE exception SET assignee_id = :user_id
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
USER = text("SELECT id FROM app_user WHERE code = :code AND active")
STEP = text(
    """
    INSERT INTO exception_step (warehouse_id, exception_id, at, actor, did, note)
    VALUES (:warehouse_id, :exception_id, :at, :actor, :did, :note)
    """
)


async def open_exception(
    tx: Tx,
    stamp: Stamp,
    code: str,
    subject: str,
    facts: dict[str, Any] | None = None,
    *,
    owner: str = "",
    screen: str = "",
) -> int:
    """Say that something is wrong; the exception's id.

    The same (code, subject) with equal facts changes nothing while it is open, is counted with
    other facts, and opens anew once it had ended. Locks the exception. Emits exception.opened.
    """
    found = Found(subject=subject, facts=facts or {}, owner=owner, screen=screen)
    return (await open_found(tx, stamp, code, found)).id


async def open_found(tx: Tx, stamp: Stamp, code: str, found: Found) -> Head:
    """`open_exception` for a trouble that has a time of its own."""
    kind = CODES[code]
    at = found.since or stamp.at
    values = {
        "warehouse_id": stamp.warehouse_id, "code": code, "at": at,
        "subject": rules.kept_subject(found.subject), "owner": rules.kept_subject(found.owner),
        "facts": _json(found.facts), "screen": found.screen,
        "team": kind.team, "severity": kind.severity, "due_at": rules.due_at(code, at),
    }  # fmt: skip
    made = await row(tx, INSERT, Head, **values)
    if made is not None:
        await _tell_opened(tx, stamp, made, "opened")
        return made
    known = await row(
        tx, TAKE_SUBJECT, Head, warehouse_id=stamp.warehouse_id, code=code,
        subject=values["subject"],
    )  # fmt: skip
    assert known is not None, "exceptions are never deleted"
    values = {"warehouse_id": stamp.warehouse_id, "id": known.id, "at": at,
              "facts": values["facts"], "screen": found.screen}  # fmt: skip
    if known.state == "open":
        if known.facts == msgspec.json.decode(values["facts"]):
            await tx.execute(SEEN, values)
            return known
        again = await row(tx, AGAIN, Head, **values)
        assert again is not None
        await step(tx, stamp, known.id, "reported again")
        return again
    anew = await row(
        tx, REOPEN, Head, due_at=rules.due_at(code, at), team=kind.team, **values
    )
    assert anew is not None
    await _tell_opened(tx, stamp, anew, "opened again")
    return anew


async def keep_true(
    tx: Tx, stamp: Stamp, code: str, troubles: Mapping[str, Found], cure: str
) -> int:
    """Make the open exceptions of a code exactly the troubles there are; how many changed.

    What is no longer true is resolved with `cure`. What a person ended stays ended as long as its
    facts are the same. Locks the code's open exceptions by id. Emits exception.opened, .resolved.
    """
    here = {"warehouse_id": stamp.warehouse_id, "code": code}
    standing = {each.subject: each for each in await rows(tx, OPEN_OF_CODE, Head, **here)}
    wanted = {rules.kept_subject(each.subject): each for each in troubles.values()}
    changed = 0
    for subject, head in standing.items():
        if subject not in wanted:
            await _end(tx, stamp, head, "resolved", cure)
            changed += 1
    for subject, found in wanted.items():
        head = standing.get(subject)
        if head is None:
            head = await row(tx, TAKE_SUBJECT, Head, subject=subject, **here)
        if head is not None and head.facts == msgspec.json.decode(_json(found.facts)) and (
            head.state == "open" or not await _cured(tx, stamp, head)
        ):
            continue
        await open_found(tx, stamp, code, found)
        changed += 1
    return changed


ENDED_BY_SYSTEM = text(
    """
    SELECT id FROM exception
     WHERE warehouse_id = :warehouse_id AND id = :id AND state <> 'open'
       AND ended_by LIKE 'system:%'
    """
)


async def _cured(tx: Tx, stamp: Stamp, head: Head) -> bool:
    """True when it ended because the trouble was gone, so the same trouble is a new one."""
    here = {"warehouse_id": stamp.warehouse_id, "id": head.id}
    return await row(tx, ENDED_BY_SYSTEM, _Id, **here) is not None


async def take(tx: Tx, stamp: Stamp, exception_id: int) -> Head:
    """The exception, locked for a change. Raises UnknownException."""
    head = await row(tx, TAKE, Head, warehouse_id=stamp.warehouse_id, id=exception_id)
    if head is None:
        raise UnknownException(id=exception_id)
    return head


async def assign(tx: Tx, stamp: Stamp, exception_id: int, user: str, note: str = "") -> Head:
    """Give it to a person. Emits exception.assigned. Raises UnknownAssignee, ExceptionEnded."""
    head = await take(tx, stamp, exception_id)
    if head.state != "open":
        raise ExceptionEnded(state=head.state)
    found = await row(tx, USER, _Id, code=user)
    if found is None:
        raise UnknownAssignee(user=user)
    if head.assignee_id != found.id:
        values = {"warehouse_id": stamp.warehouse_id, "id": head.id, "user_id": found.id}
        await tx.execute(ASSIGN, values)
        await step(tx, stamp, head.id, "assigned", f"{user}. {note}" if note else user)
        data = catalog.ExceptionAssigned(**about(head), assignee=user, by=stamp.actor)
        await emit(tx, stamp, "exception.assigned", key_of(head), data, owner=head.owner)
    return head


async def resolve(tx: Tx, stamp: Stamp, exception_id: int, how: str = "") -> Head:
    """It is done; again: nothing changes. Raises ExceptionEnded when it was discarded."""
    return await _end_by_hand(tx, stamp, exception_id, "resolved", how)


async def discard(tx: Tx, stamp: Stamp, exception_id: int, why: str) -> Head:
    """It will not be done, for a reason. Raises ReasonMissing, ExceptionEnded."""
    if not why.strip():
        raise ReasonMissing()
    return await _end_by_hand(tx, stamp, exception_id, "discarded", why)


async def resolve_cured(
    tx: Tx, stamp: Stamp, code: str, subject: str, cause: str, at: datetime | None = None
) -> bool:
    """The cause is gone: end it if it is open and was not reported after `at`."""
    here = {"warehouse_id": stamp.warehouse_id, "code": code}
    head = await row(tx, TAKE_SUBJECT, Head, subject=rules.kept_subject(subject), **here)
    if head is None or head.state != "open" or (at is not None and head.last_at > at):
        return False
    await _end(tx, stamp, head, "resolved", cause)
    return True


async def _end_by_hand(tx: Tx, stamp: Stamp, exception_id: int, state: str, how: str) -> Head:
    head = await take(tx, stamp, exception_id)
    if head.state == state:
        return head
    if head.state != "open":
        raise ExceptionEnded(state=head.state)
    await _end(tx, stamp, head, state, how)
    return head


async def _end(tx: Tx, stamp: Stamp, head: Head, state: str, how: str) -> None:
    """Emits exception.resolved, whose `resolution` says which end it is."""
    here = {"warehouse_id": stamp.warehouse_id, "id": head.id}
    await tx.execute(END, {**here, "state": state, "at": stamp.at, "actor": stamp.actor,
                           "how": how})  # fmt: skip
    await tx.execute(END_LETTERS, {
        **here, "state": "discarded" if state == "discarded" else "superseded",
    })  # fmt: skip
    await step(tx, stamp, head.id, state, how)
    minutes = max(0, int((stamp.at - head.opened_at).total_seconds() // 60))
    data = catalog.ExceptionResolved(
        **about(head), resolution=state, how=how, by=stamp.actor, minutes_open=minutes
    )
    await emit(tx, stamp, "exception.resolved", key_of(head), data, owner=head.owner)
    head.state = state


async def step(tx: Tx, stamp: Stamp, exception_id: int, did: str, note: str = "") -> None:
    """One line of history."""
    await tx.execute(STEP, {
        "warehouse_id": stamp.warehouse_id, "exception_id": exception_id, "at": stamp.at,
        "actor": stamp.actor, "did": did, "note": note,
    })  # fmt: skip


async def _tell_opened(tx: Tx, stamp: Stamp, head: Head, did: str) -> None:
    await step(tx, stamp, head.id, did)
    data = catalog.ExceptionOpened(**about(head), facts=head.facts, reopened=head.reopened)
    await emit(tx, stamp, "exception.opened", key_of(head), data, owner=head.owner)


def key_of(head: Head) -> str:
    """The ordering key of an exception's events."""
    return f"exception/{head.id}"


def about(head: Head) -> dict[str, Any]:
    """What every event of an exception says."""
    return {
        "exception_id": str(head.id), "code": head.code, "subject": head.subject,
        "severity": head.severity, "team": head.team, "due_at": head.due_at,
    }  # fmt: skip


def clean(value: Any) -> Any:
    """A JSON value as the database can hold it: text has no NUL."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {clean(name): clean(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    return value


def _json(facts: dict[str, Any]) -> str:
    return msgspec.json.encode(clean(facts)).decode()
