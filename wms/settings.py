"""Settings from the environment (prefix WMS_), all problems reported at once."""

import os
from pathlib import Path

import msgspec

from wms.errors import Invalid


class BadSettings(Invalid):
    say = "Settings are wrong: {problems}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to start. Defaults run the demo on the embedded database.

    `database_url` empty means the embedded PostgreSQL in `data_dir`. `pool_size` counts
    connections of each pool (general and hot); two cores gain nothing above 16.
    """

    database_url: str = ""
    data_dir: Path = Path(".wms")
    host: str = "127.0.0.1"
    port: int = 8420
    pool_size: int = 8
    secure_cookies: bool = False
    worker: bool = True  # a server keeps a worker beside it; without, `wms worker` runs elsewhere
    drop_dir: str = ""  # a folder whose in/<warehouse>/<kind>/ is watched for files
    event_retention_days: int = 90  # how long events and attempts are kept at least
    event_retention_max_days: int = 180  # how long those that somebody still needs are kept
    egress_allow: str = ""  # comma-separated CIDRs webhooks may reach besides public addresses
    metrics_allow: str = "127.0.0.0/8,::1/128"  # comma-separated CIDRs that may read /metrics
    metrics_token: str = ""  # or whoever brings this as a bearer token
    otel: bool = False  # spans of requests and deliveries; needs the extra `otel`
    public_url: str = ""  # as partners and browsers see us; issuer of our tokens
    trusted_proxies: str = ""  # comma-separated CIDRs whose Client-Cert header is believed
    oidc_issuer: str = ""  # identity provider of the office; its redirect is …/office/oidc
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_claim: str = "email"  # who it is: a verified email, or another claim that holds our code

    @property
    def base_url(self) -> str:
        """How partners and browsers reach us; the issuer of our tokens."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables from which another process reads the same settings."""
        values = msgspec.structs.asdict(self)
        return {
            f"WMS_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }


def read_settings(**overrides: object) -> Settings:
    """Settings from WMS_* and DATABASE_URL; `overrides` that are not None win.

    Raises BadSettings naming every wrong variable.
    """
    values: dict[str, object] = {}
    problems: list[str] = []
    for field in msgspec.structs.fields(Settings):
        name = f"WMS_{field.name.upper()}"
        text = os.environ.get(name)
        if field.name == "database_url" and text is None:
            text = os.environ.get("DATABASE_URL")
        if overrides.get(field.name) is not None:
            values[field.name] = overrides[field.name]
        elif text is not None:
            try:
                values[field.name] = (
                    Path(text) if field.type is Path else msgspec.convert(
                        text, field.type, strict=False
                    )
                )
            except msgspec.ValidationError as error:
                problems.append(f"{name}={text!r}: {error}")
    if problems:
        raise BadSettings(problems="; ".join(problems))
    return Settings(**values)  # type: ignore[arg-type]
