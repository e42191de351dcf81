"""What ended before a moment, how many jobs of a kind are in which state, the runs of a model that live."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_FINISHED = sa.text("finished_at IS NOT NULL")
_ENDED = sa.text("ended_at IS NOT NULL")
_LIVE = sa.text("state IN ('pending', 'starting', 'ready', 'stopping')")


def upgrade() -> None:
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], sqlite_where=_FINISHED, postgresql_where=_FINISHED)
    op.create_index("ix_runs_ended_at", "runs", ["ended_at"], sqlite_where=_ENDED, postgresql_where=_ENDED)
    op.create_index("ix_runs_serving", "runs", ["model_id"], sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.drop_index("ix_jobs_listing", "jobs")
    op.create_index("ix_jobs_listing", "jobs", ["state", "id", "kind"])


def downgrade() -> None:
    op.drop_index("ix_jobs_listing", "jobs")
    op.create_index("ix_jobs_listing", "jobs", ["state", "id"])
    op.drop_index("ix_runs_serving", "runs")
    op.drop_index("ix_runs_ended_at", "runs")
    op.drop_index("ix_jobs_finished_at", "jobs")
