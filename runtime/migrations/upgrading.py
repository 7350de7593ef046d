"""Brings tables up to date with alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ...engine import ConfigError


def configuration(connection: Connection) -> Config:
    """What alembic must know; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, found: str | None, head: str) -> None:
    """From the revision that was found (None: no tables yet) to the newest.

    Raises:
        ConfigError: a newer program made the tables.
    """
    config = configuration(connection)
    try:
        if found is not None:
            ScriptDirectory.from_config(config).get_revision(found)
    except CommandError as error:
        raise ConfigError(
            f"The database {connection.engine.url.database!r} was made by a newer Postwerk (its tables are at {found}, "
            f"this program knows them up to {head}). Install the newer version again."
        ) from error
    command.upgrade(config, head)
