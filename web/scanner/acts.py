"""One act, performed once: the transaction, the stored answer, and refusals as answers.

The order of checks for a key that was seen before is the same everywhere: a stored answer wins
over whatever the world says now.
"""

from collections.abc import Awaitable, Callable

from wms import replay
from wms.db import Db, RuleBroken, Tx
from wms.errors import Busy, Denied, Invalid, WmsError
from wms.outbound import pick_confirm
from wms.outbound.pick_confirm import PartOnly
from wms.replay import KeyReused
from wms.stamp import Stamp
from wms.steps import Act, Answer
from wms.tasks.rules import WorkTaken

Procedure = Callable[[Tx, Stamp, Act], Awaitable[Answer]]


class UnknownAct(Invalid):
    say = "No act is called {ref}. Reload the page."


async def perform(db: Db, stamp: Stamp, act: Act, procedures: dict[str, Procedure]) -> Answer:
    """The answer to an act: done now, refused now, or given before.

    Raises Busy (send the same again), KeyReused, Denied, UnknownAct; every other refusal is an
    answer with `ok` false, stored like any other.
    """
    kind = act.ref.partition("/")[0]
    if kind not in procedures:
        raise UnknownAct(ref=act.ref)
    try:
        if kind == "pick" and not act.path:
            try:
                return await pick_confirm.confirm(db, stamp, act)
            except PartOnly:
                pass
        async with db.transaction() as tx:
            answer = await replay.find_answer(tx, stamp, act)
            if answer is None:
                answer = await procedures[kind](tx, stamp, act)
                await replay.record(tx, stamp, act, answer)
            return answer
    except (Busy, KeyReused, Denied):
        raise
    except WmsError as refusal:
        return await _refused(db, stamp, act, refusal)


async def _refused(db: Db, stamp: Stamp, act: Act, refusal: WmsError) -> Answer:
    """Store the refusal, unless the same act was answered meanwhile (sent twice in parallel)."""
    answer = Answer(
        ok=False,
        say=str(refusal),
        tone="wrong",
        code=refusal.code,
        go="/floor/next" if isinstance(refusal, WorkTaken) else "",
    )
    try:
        async with db.transaction() as tx:
            before = await replay.find_answer(tx, stamp, act)
            if before is not None:
                return before
            await replay.record(tx, stamp, act, answer)
    except RuleBroken:  # the same act, refused in parallel, was stored first
        async with db.reading() as tx:
            return await replay.find_answer(tx, stamp, act) or answer
    return answer
