"""The catalog: what models are called, and where they lie."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from shared import aliases, catalog, hosts
from shared.db import Database
from shared.errors import Conflict, NotFound
from shared.protocol import InstallRecord
from shared.store import leaving
from shared.tables import Model
from shared.vocabulary import Capability, Format, Provider

TINY = InstallRecord(
    provider=Provider.HF,
    repo="org/tiny",
    file="tiny.Q4.gguf",
    revision="abc",
    name="tiny",
    format=Format.GGUF,
    path="/models/tiny.gguf",
    size=1000,
    capabilities=[Capability.GENERATE],
)


@pytest.fixture(autouse=True)
def known_hosts(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
        for name in ("mini", "studio"):
            hosts.join(session, name, {})


def enter(database: Database, record: InstallRecord, host: str = "studio") -> None:
    with database.write() as session:
        catalog.register(session, host, [record])


def names(database: Database) -> list[str]:
    with database.read() as session:
        return [model.name for model in catalog.models(session)]


@pytest.mark.parametrize("name", ["tiny", "TINY", "hf:org/tiny", "org/tiny:tiny.Q4.gguf", "hf:org/tiny@abc"])
def test_a_model_is_found_by_name_and_by_reference(database: Database, name: str) -> None:
    enter(database, TINY)
    with database.read() as session:
        assert catalog.find(session, name).name == "tiny"
        assert catalog.find(session, catalog.find(session, name).id).name == "tiny"


@pytest.mark.parametrize("name", ["tinny", "org/tiny@other", "", "%", "a b", "org/tiny:other.gguf"])
def test_what_is_not_there_is_said_with_the_nearest_names(database: Database, name: str) -> None:
    enter(database, TINY)
    with database.read() as session, pytest.raises(NotFound) as caught:
        catalog.find(session, name)
    assert caught.value.problem.fix


def test_an_exact_name_wins_over_one_in_other_letters(database: Database) -> None:
    enter(database, TINY.model_copy(update={"repo": "org/Other", "name": "Tiny"}))
    enter(database, TINY)
    with database.write() as session:
        session.execute(update(Model).where(Model.repo == "org/tiny").values(name="tiny"))
    with database.read() as session:
        assert catalog.find(session, "tiny").repo == "org/tiny"
        assert catalog.find(session, "Tiny").repo == "org/Other"


def test_the_same_model_on_a_second_host_is_one_model_with_two_installs(database: Database) -> None:
    enter(database, TINY)
    enter(database, TINY.model_copy(update={"path": "/elsewhere/tiny.gguf"}), "mini")
    assert names(database) == ["echo", "tiny"]
    with database.read() as session:
        model = catalog.find(session, "tiny")
        assert [i.host for i in catalog.installs(session, [model.id])[model.id]] == ["mini", "studio"]
        assert catalog.on_host(session, [model.id], "mini")[model.id].path == "/elsewhere/tiny.gguf"


def test_a_model_downloaded_again_is_brought_up_to_date(database: Database) -> None:
    enter(database, TINY)
    enter(database, TINY.model_copy(update={"revision": "def", "size": 2000}))
    with database.read() as session:
        model = catalog.find(session, "tiny")
        assert (model.revision, model.size) == ("def", 2000)
    assert names(database) == ["echo", "tiny"]


def test_another_model_of_the_same_name_gets_a_number(database: Database) -> None:
    for repo in ("org/tiny", "other/tiny", "third/tiny"):
        for name in ("tiny", "big:latest"):
            enter(database, TINY.model_copy(update={"repo": f"{repo}-{name[:3]}", "name": name}))
    assert names(database) == ["big:latest", "big:latest-2", "big:latest-3", "echo", "tiny", "tiny-2", "tiny-3"]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Echo", "Echo-2"),
        ("GPT-4o", "GPT-4o-2"),
        ("default", "default-2"),
        ("DEFAULT", "DEFAULT-2"),
        ("echo@studio", "echo-studio"),
        ("echo:latest", "echo:latest-2"),
        ("org/tiny", "org/tiny-2"),
        ("hf:ORG/tiny:tiny.q4.gguf", "hf:ORG/tiny:tiny.q4.gguf-2"),
        ("org/tiny@abc", "org/tiny-abc"),
        ("tin", "tin"),
    ],
)
def test_a_new_model_takes_no_name_that_already_means_another(database: Database, name: str, given: str) -> None:
    enter(database, TINY)
    with database.write() as session:
        aliases.put(session, "gpt-4o", catalog.find(session, "echo"))
    enter(database, TINY.model_copy(update={"repo": "other/model", "name": name}))
    with database.read() as session:
        assert catalog.find(session, "hf:other/model").name == given


def test_a_new_model_is_not_called_by_the_id_of_another(database: Database) -> None:
    enter(database, TINY)
    with database.read() as session:
        model_id = catalog.find(session, "tiny").id
    enter(database, TINY.model_copy(update={"repo": "other/model", "name": model_id}))
    with database.read() as session:
        assert catalog.find(session, model_id).repo == "org/tiny"


def test_a_model_keeps_the_name_of_its_own_repository(database: Database) -> None:
    enter(database, TINY)
    enter(database, TINY.model_copy(update={"file": "tiny.Q8.gguf", "revision": "def", "name": "org/tiny"}))
    assert names(database) == ["echo", "org/tiny", "tiny"]


def test_a_removed_model_is_gone_from_all_hosts(database: Database) -> None:
    enter(database, TINY)
    with database.write() as session:
        model, _ = leaving.remove(session, "tiny")
        assert catalog.installs(session, [model.id]) == {}
    assert names(database) == ["echo"]


def test_the_echo_model_is_there_once_and_stays(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
    assert names(database) == ["echo"]
    with database.write() as session, pytest.raises(Conflict):
        leaving.remove(session, "echo")


def test_a_host_without_the_projector_takes_no_sight_from_the_others(database: Database) -> None:
    seeing = TINY.model_copy(
        update={
            "capabilities": [Capability.GENERATE, Capability.VISION],
            "size": 1500,
            "files": [{"name": name, "size": 500, "sha256": None} for name in ("tiny.Q4.gguf", "mmproj-F16.gguf")],
        }
    )
    for host, record, sees in (
        ("mini", TINY, False),
        ("studio", seeing, True),
        ("mini", TINY, True),
        # Its projector is gone, and it was the last that had one.
        ("studio", TINY, False),
    ):
        enter(database, record, host)
        with database.read() as session:
            model = catalog.find(session, "tiny")
            assert (Capability.VISION in model.capabilities, model.size) == (sees, 1500 if sees else 1000)
