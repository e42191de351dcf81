"""How many slots of a run were at work at once, and with how many a peak was measured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("busy_most", sa.Integer(), nullable=False, server_default="0"))
    # Only runs that were used taught anything until now, so that one slot of each was at work.
    with op.batch_alter_table("learned") as learned:
        learned.add_column(sa.Column("busy", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("busy_most", server_default=None)
    with op.batch_alter_table("learned") as learned:
        learned.alter_column("busy", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("learned") as learned:
        learned.drop_column("busy")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("busy_most")
