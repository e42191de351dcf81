"""What clients call models."""

from __future__ import annotations

import pytest

from api.gateway import model_names
from shared import aliases, catalog, hosts
from shared.db import Database
from shared.errors import InvalidParameters, NotFound
from shared.protocol import InstallRecord
from shared.vocabulary import Capability, Format, Provider


def record(name: str, provider: Provider, repo: str, file: str | None = None) -> InstallRecord:
    return InstallRecord(
        provider=provider, repo=repo, file=file, revision=None, name=name, format=Format.GGUF, path=f"/models/{name}",
        size=1000, capabilities=[Capability.GENERATE],
    )  # fmt: skip


TINY = record("tiny", Provider.LOCAL, "/models/Tiny-1B-Instruct.Q4_1.gguf")
BIG = record("org/Big-GGUF:Q8_0", Provider.HF, "org/Big-GGUF", "Big-70B-Q8_0.gguf")


@pytest.fixture(autouse=True)
def models(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
        hosts.join(session, "studio", {})
        catalog.register(session, "studio", [TINY, BIG])
        aliases.put(session, "gpt-4o", catalog.find(session, "tiny"), defaults={"temperature": 0.1})
        aliases.put(session, "there", catalog.find(session, "tiny"), host="studio")


def meant(database: Database, name: str, default: str | None = None) -> tuple[str, str | None]:
    with database.read() as session:
        found = model_names.find(session, name, default)
        return found.model.name, found.host


@pytest.mark.parametrize(
    ("name", "model", "host"),
    [
        ("tiny", "tiny", None),
        ("Tiny:latest", "tiny", None),
        ("tiny@studio", "tiny", "studio"),
        ("tiny:latest@studio", "tiny", "studio"),
        ("tiny:q4_1", "tiny", None),
        ("tiny:1b-instruct-Q4_1", "tiny", None),
        ("gpt-4o", "tiny", None),
        ("GPT-4o:latest", "tiny", None),
        ("gpt-4o@studio", "tiny", "studio"),
        ("there", "tiny", "studio"),
        ("org/Big-GGUF", "org/Big-GGUF:Q8_0", None),
        ("hf.co/org/Big-GGUF:Q8_0", "org/Big-GGUF:Q8_0", None),
        ("hf.co/org/big-gguf:Q8_0", "org/Big-GGUF:Q8_0", None),
        ("huggingface.co/org/Big-GGUF:latest", "org/Big-GGUF:Q8_0", None),
        ("registry.ollama.ai/library/tiny:latest", "tiny", None),
        ("library/tiny:1b", "tiny", None),
        ("big-gguf:70b", "org/Big-GGUF:Q8_0", None),
    ],
)
def test_a_model_is_found_by_whatever_clients_call_it(
    database: Database, name: str, model: str, host: str | None
) -> None:
    assert meant(database, name) == (model, host)


@pytest.mark.parametrize("name", ["tiny:q8_0", "tiny@mini", "tiny:", "tiny:0b", ":latest", "@studio", "gpt-4", "a b"])
def test_what_is_not_there_is_said_with_the_nearest_names(database: Database, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        meant(database, name)
    assert "nearest" in caught.value.problem.details


def test_aliases_are_among_the_nearest_names(database: Database) -> None:
    with pytest.raises(NotFound, match="gpt-4o"):
        meant(database, "gpt-4")


def test_without_a_name_the_default_answers(database: Database) -> None:
    assert meant(database, "", "gpt-4o:latest") == ("tiny", None)
    assert meant(database, "default", "tiny@studio") == ("tiny", "studio")
    with pytest.raises(NotFound):
        meant(database, "", "default")
    with pytest.raises(InvalidParameters, match="CIDERMILL_DEFAULT_MODEL"):
        meant(database, "")


def test_an_alias_named_default_wins_over_the_setting(database: Database) -> None:
    with database.write() as session:
        aliases.put(session, "default", catalog.find(session, "echo"))
    assert meant(database, "", "tiny") == ("echo", None)


@pytest.mark.parametrize("name", ["\ud800", "tiny\udfff", "ti\0ny", "tiny@\0"])
def test_what_no_database_stores_is_the_name_of_nothing(database: Database, name: str) -> None:
    with pytest.raises(InvalidParameters, match="null or half a character"):
        meant(database, name)


def test_what_is_longer_than_any_name_is_looked_for_nowhere(database: Database) -> None:
    with pytest.raises(InvalidParameters, match="letters"):
        meant(database, "x" * 3000)
