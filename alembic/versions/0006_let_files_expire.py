"""When a file expires, how long the files that a batch writes are kept, and what its answers took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EXPIRING = sa.text("expires_at IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("files") as files:
        files.add_column(sa.Column("expires_at", sa.Float(), nullable=True))
    op.create_index(
        "ix_files_expires_at", "files", ["expires_at"], sqlite_where=_EXPIRING, postgresql_where=_EXPIRING
    )
    with op.batch_alter_table("batches") as batches:
        batches.add_column(sa.Column("output_seconds", sa.Float(), nullable=True))
        batches.add_column(sa.Column("usage", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("batches") as batches:
        batches.drop_column("usage")
        batches.drop_column("output_seconds")
    op.drop_index("ix_files_expires_at", "files")
    with op.batch_alter_table("files") as files:
        files.drop_column("expires_at")
