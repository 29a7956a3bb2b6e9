"""Runs the Alembic migrations: inside the wheel, or in `migrations/` of a checkout."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrations_dir() -> Path:
    shipped = Path(__file__).parent / "_migrations"
    return shipped if shipped.exists() else Path(__file__).parent.parent / "migrations"


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Bring the database to the newest revision. Blocking; run it before serving."""
    command.upgrade(alembic_config(url), "head")
