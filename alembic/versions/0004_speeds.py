"""How fast models came to hosts, and how many seconds of recordings were heard."""

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


def downgrade() -> None:
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
