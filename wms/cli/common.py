"""What every command needs: the shared options and a running database."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click

from wms.embedded import DirectoryInUse, DirectoryLock, EmbeddedPostgres
from wms.migrate import upgrade
from wms.settings import Settings, read_settings

Command = Callable[..., Any]


def database_options(command: Command) -> Command:
    """--data-dir and --database-url."""
    command = click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        help="Where the embedded database lives. [env: WMS_DATA_DIR; default: .wms]",
    )(command)
    return click.option(
        "--database-url",
        help="PostgreSQL to use instead of the embedded one. [env: WMS_DATABASE_URL, DATABASE_URL]",
    )(command)


@contextmanager
def running_database(settings: Settings, *, lock: bool = True) -> Iterator[str]:
    """A migrated database to work on; the embedded one is started here and stopped after, also
    when we are told to end (SIGTERM).

    `lock` false shares the directory with a running `wms up` (verify, bench on it).
    Raises DirectoryInUse.
    """
    if settings.database_url:
        upgrade(settings.database_url)
        yield settings.database_url
        return
    held: DirectoryLock | None = None
    try:
        held = DirectoryLock(settings.data_dir)
    except DirectoryInUse:
        if lock:
            raise
    server = EmbeddedPostgres(settings.data_dir)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        upgrade(server.url())
        yield server.url()
    finally:
        if held is not None:
            server.stop()
            held.release()
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: object) -> None:
    """Ends like an exception, so that what was started is stopped."""
    sys.exit(128 + number)


def settings_of(**overrides: Any) -> Settings:
    return read_settings(**overrides)
