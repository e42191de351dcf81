"""How fast models came to hosts, recordings in usage, quotas of all front doors, a log of calls, files of keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.Float(precision=53)


def upgrade() -> None:
    _create_speeds()
    _count_audio()
    _count_quotas()
    _log_calls()
    _own_files()
    _join_by_key()


def downgrade() -> None:
    with op.batch_alter_table("hosts") as hosts:
        hosts.drop_column("joined_by")
    op.drop_table("calls")
    op.drop_table("quota_flights")
    op.drop_table("quota_counts")
    with op.batch_alter_table("usage") as usage:
        usage.drop_column("audio")
    op.drop_table("speeds")


def _create_speeds() -> None:
    op.create_table(
        "speeds",
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("rates", sa.JSON(), nullable=False),
        sa.Column("updated_at", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name="fk_speeds_host", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", "source", name="pk_speeds"),
    )


def _count_audio() -> None:
    with op.batch_alter_table("usage") as usage:
        usage.add_column(sa.Column("audio", _NUMBER, nullable=False, server_default="0"))
    with op.batch_alter_table("usage") as usage:
        usage.alter_column("audio", server_default=None)


def _count_quotas() -> None:
    op.create_table(
        "quota_counts",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("limit", sa.String(length=24), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key"], ["keys.id"], name="fk_quota_counts_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "limit", name="pk_quota_counts"),
    )
    op.create_table(
        "quota_flights",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("door", sa.String(length=40), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("until", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["key"], ["keys.id"], name="fk_quota_flights_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "door", name="pk_quota_flights"),
    )


def _log_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("prompt", sa.BigInteger(), nullable=False),
        sa.Column("cached", sa.BigInteger(), nullable=False),
        sa.Column("completion", sa.BigInteger(), nullable=False),
        sa.Column("seconds", _NUMBER, nullable=False),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_calls"),
        sqlite_autoincrement=True,
    )


def _own_files() -> None:
    """What a job made belongs to whose job it was: keys see their own files only."""
    op.execute(
        "UPDATE files SET owner = COALESCE((SELECT jobs.owner FROM jobs WHERE jobs.id = files.job_id), '') "
        "WHERE owner = '' AND job_id IS NOT NULL"
    )


def _join_by_key() -> None:
    with op.batch_alter_table("hosts") as hosts:
        hosts.add_column(sa.Column("joined_by", sa.String(length=40), nullable=False, server_default=""))
    with op.batch_alter_table("hosts") as hosts:
        hosts.alter_column("joined_by", server_default=None)
