"""The only assembly point: handlers, error table, security headers, and the life of a process.

`create_app()` without arguments reads the environment, so a server can name it as a factory. The
process serves pages and API and keeps a worker process beside it (wms/background.py), which seals
and delivers events and runs the chores; any number of such pairs may run on one database.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, get
from litestar.datastructures import ResponseHeader
from litestar.response import Redirect

from web import assets, errors, metrics, tracing
from web.api import HANDLERS as API
from web.office import HANDLERS as OFFICE
from web.scanner import login, pages
from web.templating import CONTENT_SECURITY_POLICY
from wms.background import Keeper
from wms.db import Db
from wms.events.line import Line
from wms.planning import pool
from wms.planning.warm import warm_up
from wms.settings import Settings, read_settings

WARM_UP_S = 180.0
log = logging.getLogger("wms.web")
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@get("/", include_in_schema=False)
async def home() -> Redirect:
    """Handhelds open the floor; the office is one link away."""
    return Redirect("/floor", status_code=303)


@asynccontextmanager
async def _life(app: Litestar) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    db: Db = app.state.db
    stop = asyncio.Event()
    work: list[asyncio.Task[Any]] = []
    keep: asyncio.Task[None] | None = None
    if app.state.background:
        work = [
            asyncio.create_task(Line(db.url).run(), name="line"),
            asyncio.create_task(_warm_planning(), name="planning"),
        ]
        if settings.worker:
            keep = asyncio.create_task(Keeper(settings).run(stop), name="worker")
    try:
        yield
    finally:
        stop.set()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if keep is not None:
            await keep
        await asyncio.to_thread(pool.close)
        await db.close()


async def _warm_planning() -> None:
    """The first wave must not wait for a compiler; without the pool it falls back by itself."""
    try:
        await pool.start(warm_up, WARM_UP_S)
    except (pool.PlanTimeout, pool.PlanFailed) as trouble:
        log.warning("planning is not warm yet: %s", trouble)


def create_app(
    settings: Settings | None = None, *, background: bool = True, provider: Any = None
) -> Litestar:
    """The application. `background` false serves only (tests that drive the workers themselves);
    `provider` takes the spans instead of the exporter of the environment."""
    settings = settings or read_settings()
    db = Db(settings.database_url, settings.pool_size)
    told = metrics.Metrics(db)
    app = Litestar(
        route_handlers=[home, *assets.HANDLERS, *login.HANDLERS, *pages.HANDLERS, *OFFICE, *API,
                        *metrics.HANDLERS],
        middleware=[metrics.timed(told.requests), *tracing.middleware(settings, provider)],
        exception_handlers=errors.EXCEPTION_HANDLERS,
        response_headers=[ResponseHeader(name=k, value=v) for k, v in SECURITY_HEADERS.items()],
        openapi_config=None,  # web.api.openapi builds the document
        lifespan=[_life],
        logging_config=None,
    )
    app.state.settings = settings
    app.state.db = db
    app.state.metrics = told
    app.state.background = background
    return app
