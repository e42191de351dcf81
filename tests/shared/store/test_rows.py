"""The model store in the database: who has which bytes, who uses them, what may go."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from shared import catalog, hosts
from shared.db import Database
from shared.errors import Conflict
from shared.identifiers import new_id
from shared.protocol import InstallRecord
from shared.store import grant, leaving, shelf, sources
from shared.store.gc import Policy, Verdict
from shared.store.wire import Found, ShelfFile, Sourced, Sources, Verified, WantedFile
from shared.tables import Host, Install, Job, Model, Run
from shared.token_digest import digest
from shared.vocabulary import Format, JobState, Provider, RunState

ONE, TWO = "1" * 64, "2" * 64
COMMIT = "c" * 40


def file(name: str, sha256: str | None = ONE, size: int = 7) -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": sha256}


TINY = InstallRecord(
    provider=Provider.HF, repo="org/tiny", file="tiny.gguf", revision=COMMIT, name="tiny", format=Format.GGUF,
    path="/cache/tiny.gguf", size=7, files=[file("tiny.gguf"), file("config.json", TWO, 3)],
)  # fmt: skip
THEIRS = TINY.model_copy(
    update={
        "provider": Provider.LOCAL, "repo": "/ollama/blob", "file": None, "revision": None, "name": "tiny:latest",
        "path": "/ollama/blob", "source": "ollama",
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def tokens(database: Database) -> dict[str, str]:
    """Two living hosts that serve their models, on loopback."""
    with database.write() as session:
        catalog.add_builtin(session)
        made = {name: hosts.join(session, name, {}) for name in ("mini", "studio")}
        session.execute(update(Host).values(peer_url="http://127.0.0.1:9", seen_until=1e12))
    return made


def enter(database: Database, record: InstallRecord = TINY, host: str = "mini") -> str:
    with database.write() as session:
        return catalog.register(session, host, [record])[0]


def ask(database: Database, *wanted: WantedFile, host: str = "studio", revision: str | None = COMMIT) -> Sourced:
    asked = Sources(provider="hf", repo="org/tiny", revision=revision, files=list(wanted))
    with database.read() as session:
        return sources.sources(session, host, asked)


def run_of(database: Database, model_id: str, host: str | None = "mini", state: RunState = RunState.READY) -> None:
    with database.write() as session:
        session.add(
            Run(
                id="run-1", state=state, model_id=model_id, model="tiny", capability="generate", host=host,
                created_at=1.0, spec={},
            )
        )  # fmt: skip


def swept(database: Database, policy: Policy) -> list[Verdict]:
    with database.read() as session:
        return leaving.swept(session, policy)


# --- sources -------------------------------------------------------------------------------


def test_a_file_is_offered_by_the_host_that_has_it_with_a_grant_for_who_asks(
    database: Database, tokens: dict[str, str]
) -> None:
    enter(database)
    [found] = ask(database, WantedFile(name="tiny.gguf", size=7, sha256=ONE)).files
    [peer] = found.peers
    assert (found.sha256, peer.host, peer.url) == (ONE, "mini", "http://127.0.0.1:9")
    key = grant.secret(digest(tokens["mini"]))
    granted = grant.check(key, peer.grant, sha256=ONE, host="mini", now=0.0)
    assert granted.to_host == "studio"


def test_a_file_of_unknown_checksum_is_found_by_commit_and_name(database: Database) -> None:
    enter(database)
    wanted = WantedFile(name="config.json", size=3)
    assert [one.sha256 for one in ask(database, wanted).files] == [TWO]
    assert ask(database, wanted, revision="d" * 40).files == []
    assert ask(database, wanted.model_copy(update={"size": 4})).files == []


def test_equal_bytes_are_found_under_any_name(database: Database) -> None:
    enter(database, THEIRS)
    assert len(ask(database, WantedFile(name="model.gguf", size=7, sha256=ONE)).files) == 1


@pytest.mark.parametrize(
    "change", [{"seen_until": 0.0}, {"peer_url": None}, {"name": "studio-2", "peer_url": "http://[::1]:9"}]
)
def test_only_living_hosts_within_reach_are_named(database: Database, change: dict[str, Any]) -> None:
    enter(database)
    with database.write() as session:
        if "name" in change:
            session.execute(update(Host).where(Host.name == "studio").values(peer_url="http://192.168.1.7:9"))
        else:
            session.execute(update(Host).where(Host.name == "mini").values(change))
    assert ask(database, WantedFile(name="tiny.gguf", size=7, sha256=ONE)).files == []


def test_what_the_asking_host_has_itself_is_told_by_its_path(database: Database) -> None:
    enter(database, THEIRS.model_copy(update={"files": [file("blob")]}), "studio")
    enter(database)
    wanted = [WantedFile(name="model.gguf", size=7, sha256=ONE), WantedFile(name="config.json", size=3)]
    told = ask(database, *wanted).here
    assert [(file.sha256, file.path) for file in told] == [(ONE, "/ollama/blob")]
    with database.write() as session:
        session.execute(update(Host).where(Host.name == "mini").values(peer_url=None))
    assert ask(database, *wanted).here == told


def test_nobody_is_sent_to_itself(database: Database) -> None:
    enter(database)
    assert ask(database, WantedFile(name="tiny.gguf", size=7, sha256=ONE), host="mini").files == []


# --- what other programs keep ----------------------------------------------------------------


def test_bytes_of_another_program_make_a_known_model_usable_here(database: Database) -> None:
    known = enter(database, TINY, "studio")
    assert enter(database, THEIRS, "mini") == known
    with database.read() as session:
        assert session.get_one(Install, (known, "mini")).source == "ollama"


def test_two_copies_on_one_host_are_two_names_of_one_content(database: Database) -> None:
    ours, theirs = enter(database), enter(database, THEIRS)
    with database.read() as session:
        assert catalog.same_content(session, session.get_one(Model, ours)) == ["tiny:latest"]
        assert catalog.same_content(session, session.get_one(Model, theirs)) == ["tiny"]


def test_a_download_does_not_make_what_was_there_before_ours(database: Database) -> None:
    enter(database, TINY.model_copy(update={"source": "huggingface"}))
    model_id = enter(database, TINY)
    with database.read() as session:
        assert session.get_one(Install, (model_id, "mini")).source == "huggingface"


def test_what_a_program_no_longer_keeps_is_forgotten_and_ours_is_not(database: Database) -> None:
    ours, theirs = enter(database), enter(database, THEIRS)
    with database.write() as session:
        assert shelf.found(session, "mini", Found(searched=["ollama", "cidermill"], models=[])) == []
    with database.read() as session:
        assert session.get(Install, (ours, "mini")) is not None
        assert session.get(Install, (theirs, "mini")) is None


def test_checksums_once_read_survive_a_look_that_reads_none(database: Database) -> None:
    unread = THEIRS.model_copy(update={"files": [file("blob", None)]})
    model_id = enter(database, unread)
    said = Verified(
        job_id="j", attempt=1, worker="w", model_id=model_id, files=[ShelfFile(name="blob", size=7, sha256=ONE)]
    )
    with database.write() as session:
        shelf.verified(session, "mini", said)
    assert enter(database, unread) == model_id
    with database.read() as session:
        assert session.get_one(Model, model_id).digest is not None
        assert session.get_one(Install, (model_id, "mini")).verified_at is not None
        [shown] = shelf.shelf(session, "mini").models
        assert shown.files == [ShelfFile(name="blob", size=7, sha256=ONE)]


def test_a_damaged_install_is_forgotten_and_the_model_is_not(database: Database) -> None:
    model_id = enter(database)
    said = Verified(job_id="j", attempt=1, worker="w", model_id=model_id, files=[], damaged=["tiny.gguf"])
    with database.write() as session:
        shelf.verified(session, "mini", said)
    with database.read() as session:
        assert catalog.installs(session, [model_id]) == {}
        assert catalog.find(session, "tiny").id == model_id


# --- leaving ---------------------------------------------------------------------------------


def test_removing_sends_each_host_a_job_for_what_is_ours(database: Database) -> None:
    enter(database)
    enter(database, THEIRS, "studio")
    with database.write() as session:
        model, jobs = leaving.remove(session, "tiny")
    assert [job.params["host"] for job in jobs] == ["mini"]
    assert jobs[0].params["model"] == f"hf:org/tiny@{COMMIT}"
    assert jobs[0].params["files"] == ["tiny.gguf", "config.json"]
    with database.read() as session:
        assert session.get(Model, model.id) is None


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.READY, RunState.STOPPING])
def test_what_runs_is_neither_removed_nor_swept(database: Database, state: RunState) -> None:
    run_of(database, enter(database), None if state == RunState.PENDING else "mini", state)
    with database.write() as session, pytest.raises(Conflict, match="run-1"):
        leaving.remove(session, "tiny")
    [verdict] = swept(database, Policy(older_than=0))
    assert (verdict.goes, "run-1" in verdict.reason) == (False, True)


def test_what_a_waiting_job_needs_is_neither_removed_nor_swept(database: Database) -> None:
    model_id = enter(database)
    with database.write() as session:
        session.add(
            Job(
                id=new_id("job"), kind="benchmark", state=JobState.QUEUED, params={}, capability="generate",
                acquires=[[model_id, "echo"]], created_at=1.0, queued_at=1.0,
            )
        )  # fmt: skip
    with database.write() as session, pytest.raises(Conflict, match="cidermill jobs cancel"):
        leaving.remove(session, "tiny")
    assert not any(verdict.goes for verdict in swept(database, Policy(older_than=0)))


def test_sweeping_forgets_installs_and_keeps_the_model_known(database: Database) -> None:
    model_id = enter(database)
    enter(database, THEIRS)
    verdicts = swept(database, Policy(older_than=0))
    assert {one.copy.model: one.goes for one in verdicts} == {"tiny": True, "tiny:latest": False}
    assert sum(one.frees for one in verdicts) == 10
    with database.write() as session:
        [job] = leaving.clean(session, verdicts)
        assert job.kind == "discard"
    with database.read() as session:
        assert session.get(Install, (model_id, "mini")) is None
        assert session.get(Model, model_id) is not None


def test_the_last_use_of_a_run_counts_and_outlives_it(database: Database) -> None:
    model_id = enter(database)
    with database.write() as session:
        session.execute(update(Install).values(installed_at=0.0))
        catalog.note_use(session, model_id, "mini", 5e11)
    [verdict] = swept(database, Policy())
    assert (verdict.goes, verdict.copy.last_used) == (False, 5e11)
