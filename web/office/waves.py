"""Release and waves: what should go out, what would happen, how far it is, take it back.

    GET  /office/release?cutoff=&carrier=       candidates and what a release would do
    POST /office/waves   order=… | cutoff=&carrier= | nothing (all that can go)
    GET  /office/waves                          the newest waves
    GET  /office/waves/{id}?tour=               one wave on the floor plan
    GET  /office/waves/{id}/progress            its live part
    POST /office/waves/{id}/pull-back

A release answers as soon as the stock is promised; planning goes on behind and the wave's page
follows it. When this process dies meanwhile, a chore finishes the wave.
"""

import asyncio
import logging
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office.drawing import ROUTE_COLOURS, draw_plan
from web.office.forecasts import cutoff_of, moment
from web.office.frame import (
    GUARDS,
    REQUEST,
    Face,
    face_of,
    field,
    fields,
    json,
    onward,
    page,
    part,
    wants_json,
)
from web.office.writing import writing
from web.session import session_of, stamp_of
from wms.db import Db, Tx
from wms.errors import NotFound, WmsError
from wms.outbound import board, queries, waves
from wms.outbound.queries import Filter
from wms.outbound.wave_map import load_map
from wms.outbound.wave_problem import get_setting
from wms.stamp import Stamp

log = logging.getLogger("wms.web")
SHOWN = 60
_planning: set[asyncio.Task[Any]] = set()


class NoSuchWave(NotFound):
    say = "There is no wave {wave} in this warehouse."


@get("/office/release", guards=GUARDS, include_in_schema=False)
async def show_release(request: REQUEST) -> Response[Any]:
    """Pick a cutoff, see what a release would do, take orders out, release."""
    cutoff, carrier_id = cutoff_of(request)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        cutoffs = [each for each in await board.list_cutoffs(tx, face.stamp) if each.open]
        ids = await board.list_candidates(tx, face.stamp, cutoff_at=cutoff, carrier_id=carrier_id)
        preview = await board.what_if(tx, face.stamp, ids)
        which = Filter(state="open", cutoff_at=cutoff, carrier_id=carrier_id)
        shown = await queries.list_orders(tx, face.stamp, which, limit=SHOWN)
        running = [each for each in await board.list_waves(tx, face.stamp)
                   if each.state in ("planning", "released")][:8]  # fmt: skip
    chosen = next((c for c in cutoffs if (c.cutoff_at, c.carrier_id) == (cutoff, carrier_id)), None)
    wanted = set(ids)
    return page(
        request, face, "release", "release", cutoffs=cutoffs, chosen=chosen, preview=preview,
        orders=[order for order in shown if int(order.id) in wanted], total=len(ids), waves=running,
    )  # fmt: skip


@post("/office/waves", guards=GUARDS, include_in_schema=False)
async def release(request: REQUEST) -> Response[Any]:
    """Promise the stock now, plan behind. JSON: the wave's id and who stays behind."""
    form = await request.form()
    ids = [id for each in fields(form, "order") if (id := whole(each)) is not None]
    if not ids and not field(form, "chosen"):
        stamp = stamp_of(await session_of(request))
        async with request.app.state.db.reading() as tx:
            ids = await board.list_candidates(
                tx, stamp, cutoff_at=moment(field(form, "cutoff")),
                carrier_id=whole(field(form, "carrier")),
            )  # fmt: skip
    wave_id, left = await _start(request, ids) if ids else (None, [])
    if wants_json(request):
        return json({"wave_id": wave_id, "orders": len(ids) - len(left), "left": left})
    if wave_id is None:
        said = "Nothing to release: no order of these can get any stock." if ids else (
            "Nothing to release: no order was chosen.")  # fmt: skip
        return onward("/office/release?" + urlencode({"message": said}))
    return onward(f"/office/waves/{wave_id}")


async def _start(request: REQUEST, ids: list[int]) -> tuple[int | None, list[waves.Left]]:
    """The wave, from here on planned behind, and who stays; an order that changed since it was read
    stays too. All of it is one act: its events name the same cause."""
    async with writing(request) as write:
        wave_id, left = await waves.start_wave(write.tx, write.stamp, ids)
        told = {"orders": len(ids) - len(left), "left": len(left)}
        await write.note("wave.released", f"wave/{wave_id or 'none'}", after=told)
    if wave_id is not None:
        finish = _finish(request.app.state.db, write.stamp, wave_id)
        task = asyncio.create_task(finish, name=f"wave {wave_id}")
        _planning.add(task)
        task.add_done_callback(_planning.discard)
    return wave_id, left


async def _finish(db: Db, stamp: Stamp, wave_id: int) -> None:
    try:
        await waves.finish_wave(db, stamp, wave_id)
        await waves.propose_cartons(db, stamp, wave_id)
    except Exception:
        log.exception("wave %s: planning failed here; the chore finishes it", wave_id)


@get("/office/waves", guards=GUARDS, include_in_schema=False)
async def show_list(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        found = await board.list_waves(tx, face.stamp)
    return page(request, face, "waves", "waves", waves=found)


@get("/office/waves/{wave_id:int}", guards=GUARDS, include_in_schema=False)
async def show_wave(request: REQUEST, wave_id: FromPath[int]) -> Response[Any]:
    """Its tours, and the floor plan with the picks; `tour` draws one walk, else all in work."""
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        wave = await board.find_wave(tx, face.stamp, wave_id)
        if wave is None:
            raise NoSuchWave(wave=wave_id)
        tours = await board.list_tours(tx, face.stamp, wave_id)
        chosen, picked = _chosen(request, tours)
        drawn = await load_map(tx, face.stamp, wave_id, chosen)
        waited, patience = await _waited(tx, face, wave)
    plan = draw_plan(drawn.aisles, drawn.crosses, drawn.bins, drawn.tours)
    return page(
        request, face, "waves", "wave", wave=wave, tours=tours, plan=plan, chosen=chosen,
        colours=_colours(chosen), picked=picked, waited=waited, patience=patience,
    )  # fmt: skip


@get("/office/waves/{wave_id:int}/progress", guards=GUARDS, include_in_schema=False)
async def progress(request: REQUEST, wave_id: FromPath[int]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        wave = await board.find_wave(tx, face.stamp, wave_id)
        tours = await board.list_tours(tx, face.stamp, wave_id) if wave else []
        waited, patience = await _waited(tx, face, wave)
    if wave is None:
        raise NoSuchWave(wave=wave_id)
    chosen, _ = _chosen(request, tours)
    shown = request.query_params.get("state", wave.state)
    answer = part(face, "_wave", wave=wave, tours=tours, chosen=chosen, colours=_colours(chosen),
                  waited=waited, patience=patience)  # fmt: skip
    if shown != wave.state:  # the whole page has changed: the plan, what may be done
        answer.headers["HX-Refresh"] = "true"
    return answer


async def _waited(tx: Tx, face: Face, wave: board.WaveRow | None) -> tuple[int, int]:
    """How long planning has run, and about how long it may; nothing when it does not run."""
    if wave is None or wave.state != "planning":
        return 0, 0
    setting = await get_setting(tx, face.stamp)
    return max(0, round((face.stamp.at - wave.created_at).total_seconds())), setting.plan_seconds


def _chosen(request: REQUEST, tours: list[board.TourRow]) -> tuple[list[int], bool]:
    """The tours that are drawn, and whether one was asked for: it, else those in work."""
    asked = whole(request.query_params.get("tour", ""))
    if asked in {tour.id for tour in tours}:
        return [asked], True
    return [tour.id for tour in tours if tour.state == "claimed"][:ROUTE_COLOURS], False


def _colours(chosen: list[int]) -> dict[int, int]:
    return {tour_id: number % ROUTE_COLOURS for number, tour_id in enumerate(chosen)}


@post("/office/waves/{wave_id:int}/pull-back", guards=GUARDS, include_in_schema=False)
async def pull_back(request: REQUEST, wave_id: FromPath[int]) -> Response[Any]:
    try:
        async with writing(request) as write:
            done = await waves.pull_back(write.tx, write.stamp, wave_id)
            await write.note("wave.pulled_back", f"wave/{wave_id}", after={"orders": done.orders})
    except WmsError as refusal:
        return onward(f"/office/waves/{wave_id}?" + urlencode({"message": str(refusal)}))
    said = f"{done.orders} orders of {done.tours} tours are open again."
    if done.kept:
        names = ", ".join(left.external_id for left in done.kept[:10])
        more = f" and {len(done.kept) - 10} more" if len(done.kept) > 10 else ""
        said += f" Already begun and left alone: {names}{more}."
    if wants_json(request):
        return json(done)
    return onward(f"/office/waves/{wave_id}?" + urlencode({"message": said}))


HANDLERS = [show_release, release, show_list, show_wave, progress, pull_back]
