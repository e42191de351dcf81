"""What the catalog says of models that a host lacks, and what a download of its names means; on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from shared import aliases, catalog
from shared.db import Database
from shared.protocol import InstallRecord
from shared.store.known import by_reference, known
from shared.store.manifest import content_digest, manifest
from shared.store.wire import KnownModel, Sources
from shared.tables import Model
from shared.vocabulary import Format, Provider
from tests.scheduler.rows import add_host

ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)
OLD, NEW = "a" * 40, "b" * 40


def file(name: str, sha256: str | None = ONE, size: int = 7) -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": sha256}


def record(name: str = "tiny", **more: Any) -> InstallRecord:
    facts: dict[str, Any] = {
        "provider": Provider.HF, "repo": "org/tiny", "revision": NEW, "file": None, "format": Format.GGUF,
        "path": f"/cache/{name}", "size": 7, "files": [file("tiny.gguf")], **more,
    }  # fmt: skip
    return InstallRecord(name=name, **facts)


@pytest.fixture(autouse=True)
def hosts(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
        add_host(session, "mini")
        add_host(session, "studio")


def enter(database: Database, *records: InstallRecord, host: str = "mini") -> None:
    """Each is newer than the one before."""
    for moment, entered in enumerate(records, start=1):
        with database.write() as session:
            [model_id] = catalog.register(session, host, [entered])
            session.execute(update(Model).where(Model.id == model_id).values(created_at=float(moment)))


def asked(
    database: Database, repo: str = "org/tiny", revision: str | None = None, provider: str = "hf"
) -> list[KnownModel]:
    with database.read() as session:
        return known(session, Sources(provider=provider, repo=repo, revision=revision, files=[]))


# --- what models consist of --------------------------------------------------------------------


def test_the_newest_commit_is_told_and_another_when_it_is_asked_for(database: Database) -> None:
    enter(database, record("old", revision=OLD, files=[file("old.gguf", TWO)]), record("new"))
    assert [(one.name, one.revision) for one in asked(database)] == [("new", NEW)]
    assert [(one.name, one.revision) for one in asked(database, revision=OLD)] == [("old", OLD)]
    assert asked(database, revision="c" * 40) == []
    assert asked(database, repo="org/other") == []


def test_all_models_of_one_commit_are_told(database: Database) -> None:
    enter(database, *(record(f"q{bits}", file=f"q{bits}.gguf", files=[file(f"q{bits}.gguf", f"{bits}" * 64)])
                      for bits in (4, 8)))  # fmt: skip
    assert sorted(one.name for one in asked(database)) == ["q4", "q8"]


def test_a_model_of_which_a_checksum_is_unknown_is_not_told(database: Database) -> None:
    enter(database, record(files=[file("tiny.gguf"), file("other.gguf", None)]))
    assert asked(database) == []


@pytest.mark.parametrize(
    ("path", "names", "loaded"),
    [
        ("/models/mine.gguf", ["mine.gguf"], "mine.gguf"),
        ("/models/mine-00001-of-00002.gguf", ["mine-00001-of-00002.gguf", "mine-00002-of-00002.gguf"],
         "mine-00001-of-00002.gguf"),
        ("/models/babble", ["config.json", "model.safetensors"], None),
        ("/models/a/b/q4.gguf", ["b/q4.gguf"], "b/q4.gguf"),
    ],
)  # fmt: skip
def test_of_a_local_model_it_is_told_what_a_runtime_loads(
    database: Database, path: str, names: list[str], loaded: str | None
) -> None:
    files = [file(name, checksum) for name, checksum in zip(names, (ONE, TWO), strict=False)]
    local = {"provider": Provider.LOCAL, "repo": path, "revision": None, "path": path, "files": files}
    enter(database, record("mine", **local))
    [told] = asked(database, repo=path, provider="local")
    assert (told.loaded, [each.name for each in told.files], told.revision) == (loaded, names, None)


def test_of_a_path_that_holds_two_models_on_two_hosts_both_are_told(database: Database) -> None:
    local = {"provider": Provider.LOCAL, "repo": "/m.gguf", "revision": None, "path": "/m.gguf"}
    enter(database, record("mine", **local, files=[file("m.gguf", ONE)]))
    enter(database, record("mine", **local, files=[file("m.gguf", TWO)]), host="studio")
    told = asked(database, repo="/m.gguf", provider="local")
    assert {one.name: [each.sha256 for each in one.files] for one in told} == {"mine": [ONE], "mine-2": [TWO]}


def test_a_local_model_that_no_host_has_any_more_is_not_told(database: Database) -> None:
    local = {"provider": Provider.LOCAL, "repo": "/m.gguf", "revision": None, "path": "/m.gguf"}
    enter(database, record("mine", **local, files=[file("m.gguf")]))
    with database.write() as session:
        model = catalog.find(session, "mine")
        for install in catalog.installs(session, [model.id])[model.id]:
            session.delete(install)
    assert asked(database, repo="/m.gguf", provider="local") == []


def test_files_of_a_commit_are_known_to_lie_on_the_hosts_that_have_them(database: Database) -> None:
    enter(database, record(), record("quant", file="q4.gguf", files=[file("q4.gguf", THREE, 9)]))
    enter(database, record("old", revision=OLD, files=[file("old.gguf", TWO)]), host="studio")
    with database.read() as session:
        assert catalog.files_on(session, "mini", "org/tiny", NEW) == {("tiny.gguf", 7), ("q4.gguf", 9)}
        assert catalog.files_on(session, "studio", "org/tiny", NEW) == set()
        assert catalog.files_on(session, "studio", "org/tiny", OLD) == {("old.gguf", 7)}


# --- what a download of a name means -------------------------------------------------------------


def meant(database: Database, **params: Any) -> dict[str, Any]:
    with database.read() as session:
        return by_reference(session, params)


MINE = record("mine", provider=Provider.LOCAL, repo="/m.gguf", revision=None, path="/m.gguf")
TINY_DIGEST = content_digest(manifest([file("tiny.gguf")]))
ODD = record("org/name", provider=Provider.URL, repo="https://example.org/m.gguf", revision=None)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("mine", {"model": "local:/m.gguf", "digest": TINY_DIGEST}),
        ("MINE", {"model": "local:/m.gguf", "digest": TINY_DIGEST}),
        ("mine-by-alias", {"model": "local:/m.gguf", "digest": TINY_DIGEST}),
        ("tiny", {"model": f"hf:org/tiny@{NEW}", "include": ["tiny.gguf"]}),
        ("quant", {"model": f"hf:org/tiny:q4.gguf@{NEW}"}),
        # A model from elsewhere that is called like a repository.
        ("org/name", {"model": "url:https://example.org/m.gguf"}),
        # What is a repository's name stays one, though a model of it is known.
        ("org/tiny", {"model": "org/tiny"}),
        ("org/unknown", {"model": "org/unknown"}),
        ("echo", {"model": "echo"}),
        ("", {"model": ""}),
    ],
)
def test_a_name_of_the_catalog_means_where_that_model_came_from(
    database: Database, model: str, found: dict[str, Any]
) -> None:
    enter(database, record(), record("quant", file="q4.gguf", files=[file("q4.gguf", THREE)]), MINE, ODD)
    with database.write() as session:
        aliases.put(session, "mine-by-alias", catalog.find(session, "mine"))
    assert meant(database, model=model, host="studio") == {**found, "host": "studio"}


def test_files_that_are_asked_for_by_name_stay_asked_for(database: Database) -> None:
    enter(database, record())
    assert meant(database, model="tiny", include=["*.json"])["include"] == ["*.json"]
