"""Runs the web application in this process until it is told to stop."""

import os

import msgspec
import uvicorn

from wms.settings import Settings


def server_of(settings: Settings, *, quiet: bool = True) -> uvicorn.Server:
    """A uvicorn server of the app. The app reads its settings from the environment we set here."""
    for name, value in msgspec.structs.asdict(settings).items():
        os.environ[f"WMS_{name.upper()}"] = "true" if value is True else str(value)
    os.environ["WMS_SECURE_COOKIES"] = "true" if settings.secure_cookies else "false"
    return uvicorn.Server(
        uvicorn.Config(
            "web.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            log_level="warning" if quiet else "info",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )
