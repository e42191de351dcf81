"""What runs taught, and where models are barred, as the very next plan sees it: on both databases."""

from __future__ import annotations

from scheduler.plan import plan
from scheduler.prune import Pruner
from scheduler.reading.snapshot import Reader
from scheduler.views import Snapshot
from shared.db import Database, clock_time
from shared.files import FileStore
from shared.runs import quarantine
from shared.runs.learned import LearnedPeak
from shared.tables import Learned, Model, Quarantine
from shared.units import GIB
from tests.scheduler.fleet import LLAMA
from tests.scheduler.rows import add_host, add_jobs, add_model, lead


def look(database: Database, reader: Reader, *, whole: bool = False) -> Snapshot:
    with database.read() as session:
        return reader.read(session, whole=whole)


def waiting_job(database: Database) -> Reader:
    """A job waits for a model on the host `studio`; everything was read once."""
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_jobs(session)
    reader = Reader()
    look(database, reader, whole=True)
    return reader


def teach(database: Database, peak: int, estimate: int, version: str = LLAMA.version) -> None:
    with database.write() as session:
        session.add(
            Learned(
                model_id="qwen", runtime=LLAMA.name, version=version, context=LLAMA.default_context,
                slots=LLAMA.default_slots, peak=peak, estimate=estimate, samples=1, updated_at=clock_time(session),
            )
        )  # fmt: skip


def bar(database: Database) -> None:
    with database.write() as session:
        session.add(Quarantine(model_id="qwen", host="studio", reason="it panicked", since=clock_time(session)))


def test_a_lesson_counts_at_the_very_next_look(database: Database) -> None:
    reader = waiting_job(database)
    (before,) = plan(look(database, reader)).starts
    teach(database, peak=2 * before.size.need.total, estimate=before.size.need.total)
    seen = look(database, reader)
    assert seen.models["qwen"].learned == (
        LearnedPeak(
            LLAMA.name, LLAMA.version, LLAMA.default_context, LLAMA.default_slots, "",
            peak=2 * before.size.need.total, estimate=before.size.need.total,
        ),
    )  # fmt: skip
    (after,) = plan(seen).starts
    assert after.size.need.total >= 2 * before.size.need.total


def test_what_another_version_taught_is_read_and_does_not_count(database: Database) -> None:
    reader = waiting_job(database)
    (before,) = plan(look(database, reader)).starts
    teach(database, peak=3 * GIB * 4, estimate=GIB, version="another")
    (after,) = plan(look(database, reader)).starts
    assert after.size == before.size


def test_a_barred_model_is_not_loaded_there_until_it_is_let_out(database: Database) -> None:
    reader = waiting_job(database)
    bar(database)
    barred = look(database, reader)
    assert barred.models["qwen"].quarantined == {"studio": "it panicked"}
    assert not plan(barred).starts
    with database.write() as session:
        quarantine.lift(session, session.get_one(Model, "qwen"), "studio")
    assert plan(look(database, reader)).starts


def test_a_barred_model_is_loaded_by_another_host(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_host(session, "mini")
        add_model(session, "qwen", 4, "studio", "mini")
        add_jobs(session)
    bar(database)
    (start,) = plan(look(database, Reader(), whole=True)).starts
    assert start.host == "mini"


def test_the_scheduler_forgets_versions_that_nobody_offers(database: Database, tmp_path: object) -> None:
    waiting_job(database)
    teach(database, peak=1, estimate=1, version="another")
    teach(database, peak=1, estimate=1)
    assert not Pruner(database, FileStore(str(tmp_path)), 1e9).prune(lead(database))
    with database.read() as session:
        assert [row.version for row in session.query(Learned)] == [LLAMA.version]
