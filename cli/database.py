"""The database, for the few commands that work on it directly and not through the front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from shared.db import Database
from shared.errors import ConfigError, Unavailable
from shared.schema import is_current
from shared.settings import load_settings


@contextmanager
def open_database() -> Iterator[Database]:
    """The database of the settings. Raises ConfigError, or Unavailable when it fails while it is used."""
    database = _named(load_settings().database)
    try:
        yield database
    except SQLAlchemyError as error:
        raise Unavailable(
            f"The database {database.url.render_as_string(hide_password=True)} cannot be used",
            str(getattr(error, "orig", None) or error).strip(),
            "see that it runs and that CIDERMILL_DATABASE_URL is right",
        ) from error
    finally:
        database.close()


def _named(url: str) -> Database:
    try:
        return Database(url)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise ConfigError(
            "The address of the database is none",
            "it is of neither of the forms sqlite:///FILE and postgresql://USER@HOST/NAME",
            "correct CIDERMILL_DATABASE_URL or database_url in cidermill.toml",
        ) from error


@contextmanager
def current_database() -> Iterator[Database]:
    """The same, with all migrations made. Raises ConfigError when some lack."""
    with open_database() as database:
        if not is_current(database):
            raise ConfigError(
                "The database is not up to date", "migrations have not been made", "run: cidermill db upgrade"
            )
        yield database
