"""Runs the web application in this process until it is told to stop."""

import os
import socket
import subprocess
import sys
import threading

import uvicorn

from wms.events import wake
from wms.settings import Settings, read_settings


class Server(uvicorn.Server):
    """A server that lets those who follow a stream go before it waits for requests to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        wake.end_readers()
        await super().shutdown(sockets)


def server_of(settings: Settings, *, quiet: bool = True) -> Server:
    """A uvicorn server of the app. The app reads its settings from the environment we set here."""
    os.environ.update(settings.environment())
    return Server(
        uvicorn.Config(
            "web.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            log_level="warning" if quiet else "info",
            access_log=False,
            proxy_headers=False,
            # Longer than a person takes between two scans, and than proxies keep theirs (60 s).
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
    )


def serve_until_orphaned() -> None:
    """Serve with the settings of the environment until told to stop, or until the parent is gone.

    The parent holds our standard input open; its end, however it comes, ends this process too.
    """
    server = server_of(read_settings())

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # raw: a buffered read would hold a lock at exit
            pass
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run()


def start_child(settings: Settings) -> subprocess.Popen[bytes]:
    """A server process of its own on these settings; it ends when we do."""
    code = "from wms.serve import serve_until_orphaned; serve_until_orphaned()"
    environment = {**os.environ, **settings.environment()}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE)
