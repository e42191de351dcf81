"""Queues, schedules, what was learned of memory, quarantines, manifests and placement wishes."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.Float(precision=53)


def _hosts() -> list[sa.Column[object]]:
    return [
        sa.Column("maintenance", sa.Text(), nullable=True),
        sa.Column("taints", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("capacity", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("guard", sa.String(length=16), nullable=False, server_default="open"),
        sa.Column("ceiling", sa.BigInteger(), nullable=True),
        sa.Column("memory_used", sa.BigInteger(), nullable=True),
        sa.Column("peer_url", sa.Text(), nullable=True),
    ]


def _models() -> list[sa.Column[object]]:
    return [
        sa.Column("artifacts", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("digest", sa.String(length=64), nullable=True),
    ]


def _installs() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.String(length=16), nullable=False, server_default="cidermill"),
        sa.Column("last_used_at", _NUMBER, nullable=True),
        sa.Column("verified_at", _NUMBER, nullable=True),
    ]


def _jobs() -> list[sa.Column[object]]:
    return [
        sa.Column("placement", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("queue", sa.String(length=200), nullable=False, server_default="key:"),
        sa.Column("deadline", _NUMBER, nullable=True),
        sa.Column("schedule", sa.String(length=40), nullable=True),
        sa.Column("preemptible", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("preemptions", sa.Integer(), nullable=False, server_default="0"),
    ]


def _attempts() -> list[sa.Column[object]]:
    return [sa.Column("preempt_requested_at", _NUMBER, nullable=True)]


_ADDED: dict[str, Callable[[], list[sa.Column[object]]]] = {
    "hosts": _hosts,
    "models": _models,
    "installs": _installs,
    "jobs": _jobs,
    "attempts": _attempts,
}


def upgrade() -> None:
    for table, columns in _ADDED.items():
        with op.batch_alter_table(table) as batch:
            for column in columns():
                batch.add_column(column)
        _forget_defaults(table, columns())
    op.create_index("ix_models_digest", "models", ["digest"])
    op.create_index("ix_jobs_schedule", "jobs", ["schedule"])
    waiting = sa.text("state = 'queued'")
    op.create_index(
        "ix_jobs_share",
        "jobs",
        ["state", "queue", "rank", "queued_at", "id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )

    op.create_table(
        "queues",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("weight", _NUMBER, nullable=False),
        sa.Column("stride_pass", _NUMBER, nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("paused_at", _NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_queues"),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("cron", sa.String(length=120), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("job", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.Column("next_at", _NUMBER, nullable=True),
        sa.Column("last_at", _NUMBER, nullable=True),
        sa.Column("last_job", sa.String(length=40), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("name", name="ux_schedules_name"),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_table(
        "learned",
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("runtime", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("context", sa.BigInteger(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("params", sa.String(length=16), nullable=False),
        sa.Column("peak", sa.BigInteger(), nullable=False),
        sa.Column("estimate", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("out_of_memory_at", _NUMBER, nullable=True),
        sa.Column("updated_at", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_learned_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "runtime", "version", "context", "slots", "params", name="pk_learned"),
    )
    op.create_table(
        "quarantines",
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name="fk_quarantines_host", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_quarantines_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "host", name="pk_quarantines"),
    )


def downgrade() -> None:
    for table in ("quarantines", "learned", "schedules", "queues"):
        op.drop_table(table)
    op.drop_index("ix_models_digest", "models")
    op.drop_index("ix_jobs_share", "jobs")
    op.drop_index("ix_jobs_schedule", "jobs")
    for table, columns in reversed(_ADDED.items()):
        with op.batch_alter_table(table) as batch:
            for column in columns():
                batch.drop_column(column.name)


def _forget_defaults(table: str, columns: list[sa.Column[object]]) -> None:
    """Rows that were there have their values now; new ones get theirs from the code."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            if column.server_default is not None:
                batch.alter_column(column.name, existing_type=column.type, nullable=False, server_default=None)
