"""The database: engine, sessions, its clock. SQLite (WAL) or PostgreSQL, one code path.

A session is one transaction. On SQLite every write transaction starts with `BEGIN IMMEDIATE`, so that a writer
waits for its turn instead of failing half-way; on PostgreSQL the compare-and-set updates do the same work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, Float, create_engine, event, literal
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from shared.json_text import storable

T = TypeVar("T")

Clock = Callable[[], float]

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    # On macOS only these reach beyond the cache of the disk; elsewhere they change nothing.
    "PRAGMA fullfsync=ON",
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8000",
)
#: A process that stands still in a transaction keeps its locks so long, and who waits for a lock gives up after that.
_POSTGRES = {"idle_in_transaction_session_timeout": "10s", "lock_timeout": "10s", "timezone": "UTC"}


class _DatabaseClock(FunctionElement[float]):
    """Seconds since 1970 by the database's own clock, the only one that is ever compared."""

    type = Float()
    inherit_cache = True


@compiles(_DatabaseClock, "sqlite")
def _sqlite_clock(element: _DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_DatabaseClock, "postgresql")
def _postgres_clock(element: _DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())::float8"


def now(session: Session) -> ColumnElement[float]:
    """The database's clock as an expression; a simulation may put its own clock into the session."""
    clock: Clock | None = session.info.get("clock")
    return literal(clock(), Float) if clock is not None else _DatabaseClock()


def clock_time(session: Session) -> float:
    """The database's clock, read."""
    clock: Clock | None = session.info.get("clock")
    if clock is not None:
        return clock()
    return float(session.scalar(_DatabaseClock().select()) or 0.0)


def let_go(session: Session) -> None:
    """End a look at the database before something slow; the next question begins another.

    What a session writes is one transaction, and stays so.
    """
    if not session.connection().get_execution_options().get("cidermill_write", False):
        session.commit()


class Database:
    """An engine with its two kinds of sessions."""

    def __init__(self, url: str, *, clock: Clock | None = None, pool_size: int = 10) -> None:
        self.url: URL = make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._sqlite_engine() if self.sqlite else self._postgres_engine(pool_size)
        info = {"clock": clock} if clock is not None else {}
        # SQLite lets writers that wait sleep and try again in no order: up to seconds with a dozen threads.
        self._turn: AbstractContextManager[object] = Lock() if self.sqlite else nullcontext()
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=False, info=info)

    def _sqlite_engine(self) -> Engine:
        if self.url.database:
            file = Path(self.url.database)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.url.database != ":memory:":
                # Prompts are in it; SQLite gives its other files the same mode.
                file.touch(mode=0o600, exist_ok=True)
        engine = create_engine(
            self.url,
            hide_parameters=True,
            json_serializer=storable,
            connect_args={"check_same_thread": False, "timeout": 10, "isolation_level": None},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _postgres_engine(self, pool_size: int) -> Engine:
        options = " ".join(f"-c {name}={value}" for name, value in _POSTGRES.items())
        return create_engine(
            self.url,
            hide_parameters=True,
            json_serializer=storable,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            connect_args={"options": options, "connect_timeout": 5},
        )

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back by an exception."""
        with self._turn, self._sessions() as session:
            session.connection(execution_options={"cidermill_write": True})
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent look; never commits."""
        with self._sessions() as session:
            yield session

    def close(self) -> None:
        """Close every connection; one that a thread still uses is closed as soon as it is given back."""
        event.listen(self.engine, "checkin", _close_late)
        self.engine.dispose()


def locked(session: Session, kind: type[T], key: Any) -> T | None:
    """The row as it is now, which nobody else changes until this transaction ends; `None` when there is none.

    What the session knew of it before may have been changed by another transaction meanwhile.
    """
    session.flush()
    return session.get(kind, key, with_for_update=True, populate_existing=True)


def _close_late(connection: Any, _: Any) -> None:
    if connection is not None:
        connection.close()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("cidermill_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
