"""Other names of models, and where engines are reached."""

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


def downgrade() -> None:
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
