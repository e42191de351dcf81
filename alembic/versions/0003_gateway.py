"""Other names of models, where engines are reached, what keys may do and did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.Float(precision=53)


def upgrade() -> None:
    _reach_engines()
    _create_aliases()
    _create_batches()
    _limit_keys()
    _create_usage()
    _create_audit()


def downgrade() -> None:
    op.drop_table("batches")
    op.drop_table("audit")
    op.drop_table("usage")
    with op.batch_alter_table("keys") as keys:
        for name in ("expires_at", "limits", "priority", "models"):
            keys.drop_column(name)
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("attended")
    with op.batch_alter_table("hosts") as hosts:
        hosts.drop_column("engine_url")
    op.drop_table("aliases")


def _reach_engines() -> None:
    with op.batch_alter_table("hosts") as hosts:
        hosts.add_column(sa.Column("engine_url", sa.Text(), nullable=True))
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("attended", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("attended", server_default=None)


def _create_aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=True),
        sa.Column("defaults", sa.JSON(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_aliases_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("name", name="pk_aliases"),
    )
    op.create_index("ix_aliases_model_id", "aliases", ["model_id"])


def _limit_keys() -> None:
    with op.batch_alter_table("keys") as keys:
        keys.add_column(sa.Column("models", sa.JSON(none_as_null=True), nullable=True))
        keys.add_column(sa.Column("priority", sa.String(length=16), nullable=True))
        keys.add_column(sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"))
        keys.add_column(sa.Column("expires_at", _NUMBER, nullable=True))
    with op.batch_alter_table("keys") as keys:
        keys.alter_column("limits", server_default=None)


def _create_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.BigInteger(), nullable=False),
        sa.Column("cached", sa.BigInteger(), nullable=False),
        sa.Column("completion", sa.BigInteger(), nullable=False),
        sa.Column("seconds", _NUMBER, nullable=False),
        sa.Column("joules", _NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("day", "key", "model", name="pk_usage"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=120), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )


def _create_batches() -> None:
    live = sa.text("state IN ('validating', 'in_progress', 'finalizing', 'cancelling')")
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("completion_window", sa.String(length=16), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("input_file", sa.String(length=40), nullable=False),
        sa.Column("output_file", sa.String(length=40), nullable=True),
        sa.Column("error_file", sa.String(length=40), nullable=True),
        sa.Column("refused_file", sa.String(length=40), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.Column("expires_at", _NUMBER, nullable=False),
        sa.Column("in_progress_at", _NUMBER, nullable=True),
        sa.Column("finalizing_at", _NUMBER, nullable=True),
        sa.Column("cancelling_at", _NUMBER, nullable=True),
        sa.Column("finished_at", _NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_live", "batches", ["state"], sqlite_where=live, postgresql_where=live)
