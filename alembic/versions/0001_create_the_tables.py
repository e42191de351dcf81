"""Create the tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def only(words: str) -> dict[str, sa.TextClause]:
    """An index over the rows for which a condition holds."""
    return {"sqlite_where": sa.text(words), "postgresql_where": sa.text(words)}


LIVE_ATTEMPTS = only("state IN ('assigned', 'running')")
WAITING_JOBS = only("state = 'queued'")
LIVE_RUNS = only("state IN ('pending', 'starting', 'ready', 'stopping')")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("host", sa.String(length=64), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job", "events", ["job_id", "seq"])
    op.create_index("ix_events_run", "events", ["run_id", "seq"])

    op.create_table(
        "files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("content_type", sa.String(length=120), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    op.create_index("ix_files_job_id", "files", ["job_id"])

    op.create_table(
        "hosts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=40), nullable=True),
        sa.Column("boot_id", sa.String(length=64), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("platform", sa.String(length=120), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("memory_total", sa.BigInteger(), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("disk_free", sa.BigInteger(), nullable=False),
        sa.Column("telemetry", sa.JSON(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("cordoned", sa.Boolean(), nullable=False),
        sa.Column("reserved_by", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("registered_at", sa.Float(precision=53), nullable=True),
        sa.Column("seen_until", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_hosts"),
        sa.UniqueConstraint("token_digest", name="ux_hosts_token_digest"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_digest", sa.String(length=64), nullable=True),
        sa.Column("capability", sa.String(length=16), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=True),
        sa.Column("runtime", sa.String(length=32), nullable=True),
        sa.Column("host", sa.String(length=64), nullable=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("disk", sa.BigInteger(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("acquires", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(precision=53), nullable=True),
        sa.Column("cancel_requested_at", sa.Float(precision=53), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("queued_at", sa.Float(precision=53), nullable=False),
        sa.Column("started_at", sa.Float(precision=53), nullable=True),
        sa.Column("finished_at", sa.Float(precision=53), nullable=True),
        sa.Column("blocked_by", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("phase", sa.String(length=64), nullable=True),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result_attempt", sa.Integer(), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_listing", "jobs", ["state", "id"])
    op.create_index("ix_jobs_waiting", "jobs", ["state", "rank", "queued_at", "id"], **WAITING_JOBS)
    op.create_index("ux_jobs_idempotency", "jobs", ["owner", "idempotency_key"], unique=True)

    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("last_used_at", sa.Float(precision=53), nullable=True),
        sa.Column("revoked_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="ux_keys_digest"),
    )
    op.create_index("ix_keys_prefix", "keys", ["prefix"])

    op.create_table(
        "leader",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leader"),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=8), nullable=False),
        sa.Column("repo", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("revision", sa.String(length=64), nullable=True),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.BigInteger(), nullable=True),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("last_used_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("name", name="ux_models_name"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("capability", sa.String(length=16), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("wanted_runtime", sa.String(length=32), nullable=True),
        sa.Column("wanted_host", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("owner_job", sa.String(length=40), nullable=True),
        sa.Column("owner_request", sa.String(length=64), nullable=True),
        sa.Column("host", sa.String(length=64), nullable=True),
        sa.Column("runtime", sa.String(length=32), nullable=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("context", sa.BigInteger(), nullable=False),
        sa.Column("memory_need", sa.BigInteger(), nullable=False),
        sa.Column("memory_parts", sa.JSON(), nullable=False),
        sa.Column("memory_held", sa.BigInteger(), nullable=False),
        sa.Column("memory_used", sa.BigInteger(), nullable=True),
        sa.Column("memory_peak", sa.BigInteger(), nullable=True),
        sa.Column("endpoint", sa.JSON(), nullable=True),
        sa.Column("pid", sa.BigInteger(), nullable=True),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("keep_alive", sa.Float(precision=53), nullable=False),
        sa.Column("load_seconds", sa.Float(precision=53), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("blocked_by", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("publish_at", sa.Float(precision=53), nullable=True),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("claim_by", sa.Float(precision=53), nullable=True),
        sa.Column("lease_until", sa.Float(precision=53), nullable=True),
        sa.Column("ready_at", sa.Float(precision=53), nullable=True),
        sa.Column("last_used_at", sa.Float(precision=53), nullable=True),
        sa.Column("ended_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_held", "runs", ["host", "memory_held"])
    op.create_index("ix_runs_live", "runs", ["state", "host"], **LIVE_RUNS)
    op.create_index("ix_runs_model_id", "runs", ["model_id"])
    op.create_index("ix_runs_owner_job", "runs", ["owner_job"])

    op.create_table(
        "attempts",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("runtime", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("assigned_at", sa.Float(precision=53), nullable=False),
        sa.Column("publish_at", sa.Float(precision=53), nullable=True),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("claim_by", sa.Float(precision=53), nullable=True),
        sa.Column("lease_until", sa.Float(precision=53), nullable=True),
        sa.Column("started_at", sa.Float(precision=53), nullable=True),
        sa.Column("ended_at", sa.Float(precision=53), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_attempts"),
    )
    op.create_index("ix_attempts_live", "attempts", ["host", "runtime"], **LIVE_ATTEMPTS)
    op.create_index("ix_attempts_publish", "attempts", ["publish_at"], **LIVE_ATTEMPTS)
    op.create_index("ix_attempts_run", "attempts", ["run_id"], **LIVE_ATTEMPTS)
    op.create_index("ux_attempts_live", "attempts", ["job_id"], unique=True, **LIVE_ATTEMPTS)

    op.create_table(
        "host_runtimes",
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("info", sa.JSON(), nullable=False),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("alive", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name="fk_host_runtimes_host", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", "name", name="pk_host_runtimes"),
    )
    op.create_table(
        "installs",
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("installed_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name="fk_installs_host", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_installs_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "host", name="pk_installs"),
    )
    op.create_table(
        "results",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_results_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_results"),
    )


def downgrade() -> None:
    op.drop_table("results")
    op.drop_table("installs")
    op.drop_table("host_runtimes")

    op.drop_table("attempts")

    op.drop_table("runs")
    op.drop_table("models")
    op.drop_table("leader")

    op.drop_table("keys")

    op.drop_table("jobs")
    op.drop_table("hosts")

    op.drop_table("files")

    op.drop_table("events")
