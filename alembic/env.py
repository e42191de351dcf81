"""How Alembic reaches the database: over the connection it is given, or over the one the settings name."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from shared import schema
from shared.db import Database
from shared.settings import load_settings
from shared.tables import Base, Word


def render(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """New migrations say `String` for our own column type: they must not depend on code that may change."""
    return f"sa.String(length={item.impl.length})" if kind == "type" and isinstance(item, Word) else False


def migrate(connection: Connection) -> None:
    """Run the chosen migrations in one transaction: both databases can take back a change of schema."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render,
        transactional_ddl=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    database = Database(load_settings().database)
    with schema.connection(database) as own:
        migrate(own)
    database.close()
