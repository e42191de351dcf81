"""What lies at one path of two hosts is one model only when it is the same content; on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from shared import catalog
from shared.db import Database
from shared.protocol import InstallRecord
from shared.store import copies
from shared.store.at_path import may_be
from shared.tables import Install, Model
from shared.vocabulary import Format, Provider
from tests.scheduler.rows import add_host

ONE, TWO = "1" * 64, "2" * 64
PATH = "/models/mine.gguf"


def file(sha256: str | None = ONE, size: int = 7, name: str = "mine.gguf") -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": sha256}


def record(*files: dict[str, Any], path: str = PATH, **more: Any) -> InstallRecord:
    return InstallRecord(
        provider=Provider.LOCAL, repo=PATH, revision=None, file=None, name="mine", format=Format.GGUF, path=path,
        size=7, files=list(files), **more,
    )  # fmt: skip


def copied(*files: dict[str, Any]) -> InstallRecord:
    return record(*files, path=f"/data/models/copies/{copies.key(files)}/mine.gguf")


@pytest.fixture(autouse=True)
def hosts(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
        for name in ("mini", "studio", "third"):
            add_host(session, name)


def enter(database: Database, host: str, entered: InstallRecord) -> None:
    with database.write() as session:
        catalog.register(session, host, [entered])
        # Each is newer than the one before.
        session.execute(update(Model).values(created_at=Model.created_at - 1))


def there(database: Database) -> dict[str, dict[str, list[str | None]]]:
    """Checksums by name of the model and host."""
    rows = select(Model.name, Install.host, Install.files).join(Install, Install.model_id == Model.id)
    found: dict[str, dict[str, list[str | None]]] = {}
    with database.read() as session:
        for name, host, files in session.execute(rows):
            found.setdefault(name, {})[host] = [file["sha256"] for file in files]
    return found


def known_checksums(database: Database, name: str) -> list[str | None]:
    with database.read() as session:
        return [artifact["sha256"] for artifact in catalog.find(session, name).artifacts]


def test_the_same_content_at_the_same_path_of_two_hosts_is_one_model(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", record(file()))
    assert there(database) == {"mine": {"mini": [ONE], "studio": [ONE]}}


@pytest.mark.parametrize("other", [file(TWO), file(TWO, 8), file(None, 8)])
def test_another_content_at_the_same_path_of_another_host_is_another_model(
    database: Database, other: dict[str, Any]
) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", record(other))
    assert there(database) == {"mine": {"mini": [ONE]}, "mine-2": {"studio": [other["sha256"]]}}
    assert known_checksums(database, "mine") == [ONE]


def test_a_copy_belongs_to_the_model_of_its_content(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", record(file(TWO)))
    enter(database, "third", copied(file()))
    enter(database, "mini", copied(file(TWO)))
    assert there(database)["mine"] == {"mini": [ONE], "third": [ONE]}
    assert there(database)["mine-2"] == {"studio": [TWO], "mini": [TWO]}


def test_a_file_that_changed_is_the_same_model_anew(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "mini", record(file(TWO)))
    assert there(database) == {"mine": {"mini": [TWO]}}
    assert known_checksums(database, "mine") == [TWO]


def test_copies_of_what_it_was_are_a_model_of_their_own(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", copied(file()))
    enter(database, "mini", record(file(TWO)))
    assert there(database) == {"mine": {"mini": [TWO]}, "mine-2": {"studio": [ONE]}}
    assert known_checksums(database, "mine-2") == [ONE]


def test_what_changed_on_one_of_two_hosts_leaves_the_others_model(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", record(file()))
    enter(database, "mini", record(file(TWO)))
    assert there(database) == {"mine": {"studio": [ONE]}, "mine-2": {"mini": [TWO]}}


def test_a_path_that_no_host_has_any_more_keeps_its_model(database: Database) -> None:
    enter(database, "mini", record(file()))
    with database.write() as session:
        for install in session.scalars(select(Install)):
            session.delete(install)
    enter(database, "studio", record(file(TWO)))
    assert there(database) == {"mine": {"studio": [TWO]}}


def test_files_that_nobody_has_read_on_another_host_take_no_checksum_away(database: Database) -> None:
    enter(database, "mini", record(file()))
    enter(database, "studio", record(file(None), source="lmstudio"))
    assert there(database) == {"mine": {"mini": [ONE], "studio": [None]}}
    assert known_checksums(database, "mine") == [ONE]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([file()], [file()], True),
        ([file(ONE.upper().replace("1", "A"))], [file("a" * 64)], True),
        ([file()], [file(name="blob")], True),
        ([file()], [file(TWO)], False),
        ([file()], [file(None)], True),
        ([file()], [file(None, 8)], False),
        ([file()], [file(), file(TWO, name="more")], False),
        ([file(None), file(TWO, name="b")], [file(ONE), file(ONE, name="b")], False),
        ([], [], True),
    ],
)
def test_files_are_the_same_unless_something_contradicts(
    one: list[dict[str, Any]], other: list[dict[str, Any]], *, same: bool
) -> None:
    assert may_be(one, other) is same
    assert may_be(other, one) is same
