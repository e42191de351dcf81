"""The room of each disk for a model, from the rows; on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from shared.db import Database
from shared.references import ModelRef
from shared.store.disk_room import DiskRoom
from shared.store.disks import Wanted, disk_rooms
from shared.tables import Host, Install, Model
from shared.units import GIB
from shared.vocabulary import AttemptState
from tests.scheduler.rows import add_host, add_model
from tests.scheduler.test_downloads import add_download, begin, coming

COMMIT = "c" * 40
WANTED = Wanted(ModelRef.parse(f"org/qwen@{COMMIT}"), frozenset({("q4.gguf", 4 * GIB), ("config.json", 7)}))


@pytest.fixture(autouse=True)
def hosts(database: Database) -> None:
    with database.write() as session:
        for name in ("mini", "studio"):
            add_host(session, name, disk_free=10 * GIB)


def rooms(database: Database, *there: str, wanted: Wanted = WANTED) -> dict[str, DiskRoom]:
    with database.read() as session:
        return disk_rooms(session, wanted, session.scalars(select(Host)), there)


def install(database: Database, name: str, host: str, file: str, gib: float, **facts: Any) -> None:
    with database.write() as session:
        add_model(session, name, gib, host)
        session.execute(update(Model).where(Model.id == name).values(**facts))
        files = [{"name": file, "size": int(gib * GIB), "sha256": name[0] * 64}]
        session.execute(update(Install).where(Install.model_id == name).values(files=files, source="cidermill"))


def test_a_host_that_has_the_model_needs_no_room(database: Database) -> None:
    found = rooms(database, "mini")
    assert (found["mini"].need, found["studio"].need) == (0, 4 * GIB + 7)


@pytest.mark.parametrize(("telemetry", "reserve"), [({}, GIB), ({"disk_reserve": 6 * GIB}, 6 * GIB)])
def test_what_an_agent_keeps_free_is_no_room(database: Database, telemetry: dict[str, int], reserve: int) -> None:
    with database.write() as session:
        session.execute(update(Host).where(Host.name == "mini").values(telemetry=telemetry))
    assert rooms(database)["mini"].reserve == reserve


def test_files_that_another_model_of_that_commit_brought_need_not_come_again(database: Database) -> None:
    source = {"provider": "hf", "repo": "org/qwen"}
    install(database, "tokens", "mini", "q4.gguf", 4, **source, revision=COMMIT)
    install(database, "older", "studio", "q4.gguf", 4, **source, revision="d" * 40)
    found = rooms(database)
    assert (found["mini"].need, found["studio"].need) == (7, 4 * GIB + 7)


def test_what_other_downloads_will_fill_counts_at_work_or_waiting_for_the_host(database: Database) -> None:
    with database.write() as session:
        begin(session, add_download(session, 5, model="hf:org/one"), **coming(3, total=5))
        begin(session, add_download(session, 5, model="hf:org/two"), attempt=AttemptState.ASSIGNED)
        add_download(session, 5, model="hf:org/two", host="mini")
        add_download(session, 1, model="hf:org/three", host="mini")
        add_download(session, 100, model="hf:org/anywhere")
        # It is the one that is asked about.
        add_download(session, 4, model="hf:org/qwen", host="mini")
    found = rooms(database)
    assert (found["mini"].promised, found["studio"].promised) == (8 * GIB, 0)
    assert not found["mini"].fits


def test_of_a_model_on_its_way_only_the_rest_is_to_come(database: Database) -> None:
    with database.write() as session:
        begin(session, add_download(session, 4, model="hf:org/qwen"), **coming(3, total=4))
    found = rooms(database)
    assert (found["mini"].need, found["mini"].promised, found["studio"].need) == (GIB, 0, 4 * GIB + 7)


def test_what_a_cleaning_would_free_stops_where_there_is_room(database: Database) -> None:
    for number, name in enumerate(("a-old", "b-new")):
        install(database, name, "mini", "m.gguf", 2, provider="hf", repo=f"org/{name}", revision=COMMIT)
        with database.write() as session:
            session.execute(update(Install).where(Install.model_id == name).values(installed_at=float(number)))
    with database.write() as session:
        session.execute(update(Host).values(disk_free=4 * GIB))
    found = rooms(database)
    assert (found["mini"].lacks, found["mini"].deletable) == (GIB + 7, 2 * GIB)
    assert "would free 2.0 GiB" in found["mini"].sentence
    assert (found["studio"].lacks, found["studio"].deletable) == (GIB + 7, 0)


def test_two_hosts_of_other_sizes_are_cleaned_each_for_itself(database: Database) -> None:
    for name, host in (("one", "mini"), ("two", "studio")):
        install(database, name, host, "m.gguf", 2, provider="hf", repo=f"org/{name}", revision=COMMIT)
    with database.write() as session:
        session.execute(update(Host).where(Host.name == "mini").values(disk_free=4 * GIB))
    found = rooms(database)
    assert (found["mini"].deletable, found["studio"].deletable) == (2 * GIB, 0)
