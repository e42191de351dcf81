"""Parts of the queue hold their jobs back, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from shared import queues
from shared.errors import InvalidParameters
from shared.queue_parts import parts, share
from shared.tables import Queue
from shared.vocabulary import JobState, Priority
from tests.fleet import RUN, Fleet


@pytest.fixture(autouse=True)
def ready(fleet: Fleet) -> None:
    """A run with room for ten."""
    fleet.add_host()
    fleet.ready_run(slots=10)


LABELLED = {"owner": "k1", "queue": "key:k1", "labels": {"team": "a/b", "it.s/-_": 'a "name"'}}


@pytest.mark.parametrize("part", ["all", "kind:inference", "class:normal", "key:k1", "label:team=a/b"])
def test_a_job_does_not_begin_while_a_part_of_it_is_paused(fleet: Fleet, part: str) -> None:
    fleet.submit(**LABELLED)
    fleet.do(queues.pause, part)
    assert not fleet.assign(run_id=RUN)
    fleet.do(queues.resume, part)
    assert fleet.assign(run_id=RUN)


@pytest.mark.parametrize("part", ["kind:download", "class:batch", "key:k2", "label:team=b", "key:"])
def test_other_parts_do_not_matter(fleet: Fleet, part: str) -> None:
    fleet.submit(**LABELLED)
    fleet.do(queues.pause, part)
    assert fleet.assign(run_id=RUN)


@pytest.mark.parametrize("part", ["all", "kind:inference", "class:normal", "key:k1", 'label:it.s/-_=a "name"'])
def test_no_more_jobs_begin_than_a_part_may_have_at_work(fleet: Fleet, part: str) -> None:
    ids = [f"job{number}" for number in range(4)]
    fleet.submit(*ids, **LABELLED)
    fleet.do(queues.put, part, {"max_running": 2})
    placements = [(job_id, fleet.assign(job_id, run_id=RUN)) for job_id in ids]
    assert [given for _, given in placements] == [True, True, False, False]
    fleet.claim(job_id="job0")
    fleet.finish(job_id="job0")
    assert fleet.assign("job2", run_id=RUN)
    assert not fleet.assign("job3", run_id=RUN)


def test_a_part_that_no_job_can_be_of_stops_nobody(fleet: Fleet) -> None:
    fleet.submit(**LABELLED)
    with fleet.database.write() as session:
        session.add(Queue(name="label:\1'\"=a", weight=1.0, max_running=0))
    assert fleet.assign(run_id=RUN)
    with fleet.database.read() as session:
        assert "key:k1" in {part.name for part in queues.listed(session)}


def test_a_limit_below_what_is_at_work_ends_nothing(fleet: Fleet) -> None:
    fleet.submit("a", "b")
    fleet.assign("a", run_id=RUN)
    fleet.do(queues.put, "all", {"max_running": 0})
    assert not fleet.assign("b", run_id=RUN)
    assert fleet.job("a").state == JobState.ASSIGNED


def test_passes_are_written_and_kept_apart_from_what_people_set(fleet: Fleet) -> None:
    fleet.do(queues.put, "key:k1", {"weight": 3.0})
    fleet.do(queues.note_passes, {"key:k1": 7.5, "key:k2": 1.0})
    with fleet.database.read() as session:
        rows = {row.name: (row.weight, row.stride_pass) for row in session.scalars(select(Queue))}
    assert rows == {"key:k1": (3.0, 7.5), "key:k2": (1.0, 1.0)}


def test_keys_at_rest_are_forgotten_unless_somebody_set_something(fleet: Fleet) -> None:
    fleet.submit(queue="key:waits")
    fleet.do(queues.note_passes, {"key:waits": 1.0, "key:rests": 1.0, "class:normal": 2.0, "all": 3.0})
    fleet.do(queues.put, "key:heavy", {"weight": 2.0})
    fleet.do(queues.put, "label:team=a", {"weight": 1.0})
    fleet.do(queues.forget_idle)
    with fleet.database.read() as session:
        left = set(session.scalars(select(Queue.name)))
    assert left == {"key:waits", "class:normal", "all", "key:heavy", "label:team=a"}


def test_a_job_belongs_to_all_its_class_its_kind_its_key_and_its_labels() -> None:
    assert parts("inference", Priority.LOW, "k1", {"team": "a"}) == [
        "all",
        "kind:inference",
        "class:low",
        "key:k1",
        "label:team=a",
    ]


def test_a_job_takes_turns_by_its_key_or_by_a_label_of_its_own_that_somebody_named() -> None:
    named = {"label:team=a"}
    assert share("k1", {"team": "a"}, "key", named) == "key:k1"
    assert share("k1", {"team": "a"}, "team", named) == "label:team=a"
    assert share("k1", {"team": "b"}, "team", named) == "key:k1"
    with pytest.raises(InvalidParameters, match="queue by"):
        share("k1", {"team": "a"}, "teams", named)
