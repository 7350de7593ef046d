"""The history of the tables, for alembic; run whenever a store is opened."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from ...engine import ConfigError


def migrate(engine: Engine) -> None:
    """Brings the tables up to date, in one transaction; a second program waits meanwhile.

    Raises:
        ConfigError: a newer program made them, or the file is no database.
    """
    try:
        with engine.connect() as connection:
            if _revision(connection) == HEAD:
                return
        with engine.execution_options(writes=True).begin() as connection:
            _upgrade(connection, engine)
    except DatabaseError as error:
        if "not a database" not in str(error.orig) and "malformed" not in str(error.orig):
            raise
        raise ConfigError(
            f"{engine.url.database!r} is no database, or it is damaged: {error.orig}. "
            "Restore it from a copy, or name another workspace."
        ) from error


HEAD = "0001"
"""The newest revision; known here so that opening an up-to-date store need not search for it."""


def configuration(connection: Connection) -> Config:
    """What alembic must know; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection, engine: Engine) -> None:
    config = configuration(connection)
    found = _revision(connection)
    try:
        if found is not None:
            ScriptDirectory.from_config(config).get_revision(found)
    except CommandError as error:
        raise ConfigError(
            f"The database {engine.url.database!r} was made by a newer Postwerk (its tables are at {found}, "
            f"this program knows them up to {HEAD}). Install the newer version again."
        ) from error
    command.upgrade(config, HEAD)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
