"""Which pieces of jobs are errors: to count them, no answer need be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FAILED = sa.text("failed")


def upgrade() -> None:
    # No batch: SQLite would copy the table, which holds all answers. For the same reason the default stays.
    op.add_column("results", sa.Column("failed", sa.Boolean(), nullable=False, server_default=sa.false()))
    results = sa.table("results", sa.column("data", sa.JSON), sa.column("failed", sa.Boolean))
    data = results.c.data
    # PostgreSQL stores null characters in JSON, and refuses to look into it then.
    unread = sa.cast(data, sa.Text).contains("\\u0000", autoescape=True)
    failed = sa.case((unread, False), else_=data["error"].as_string().is_not(None))
    op.execute(results.update().where(failed).values(failed=True))
    op.create_index("ix_results_failed", "results", ["job_id"], sqlite_where=_FAILED, postgresql_where=_FAILED)


def downgrade() -> None:
    op.drop_index("ix_results_failed", "results")
    op.drop_column("results", "failed")
