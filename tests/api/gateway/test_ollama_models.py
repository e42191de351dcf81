"""What Ollama's clients look at before they ask anything."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from shared import catalog
from shared.protocol import InstallRecord
from shared.runtimes import ModelShape
from shared.tables import Run
from shared.vocabulary import Capability, Format, Provider
from tests.api.fleet import ECHO, Fleet
from tests.api.served import Served


@pytest.fixture
def tiny(door: Served, fleet: Fleet) -> str:
    """A GGUF model whose files are elsewhere."""
    record = InstallRecord(
        provider=Provider.LOCAL, repo="/models/Tiny-1.5B.Q4_K_M.gguf", file=None, revision=None, name="tiny",
        format=Format.GGUF, path="/models/Tiny-1.5B.Q4_K_M.gguf", size=1000, context=2048,
        capabilities=[Capability.GENERATE], shape=ModelShape(architecture="llama", layers=2, hidden=64),
    )  # fmt: skip
    with door.database.write() as session:
        catalog.register(session, fleet.host, [record])
    return record.name


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
def test_clients_may_ask_for_heads_only(door: Served, path: str) -> None:
    answer = door.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert door.get(path).status_code == 200


def test_the_version_is_three_numbers_and_new_enough(door: Served) -> None:
    version = door.get("/api/version").json()["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)
    assert door.get("/").text == "Ollama is running"


def test_models_are_listed_with_tags_and_under_all_their_names(door: Served, tiny: str) -> None:
    door.client.put("/v1/models/aliases/gpt-4o", json={"model": tiny})
    models = {model["name"]: model for model in door.get("/api/tags").json()["models"]}
    assert list(models) == ["echo:latest", "gpt-4o:latest", "tiny:latest"]
    assert models["tiny:latest"]["digest"] == models["gpt-4o:latest"]["digest"]
    told = models["tiny:latest"]["details"]
    assert (told["family"], told["parameter_size"], told["quantization_level"]) == ("llama", "1.5B", "Q4_K_M")


@pytest.mark.parametrize("body", [{"model": "tiny"}, {"name": "tiny:latest"}, {"model": "tiny", "verbose": True}])
def test_a_model_is_shown_with_what_it_can_and_how_long_its_context_is(
    door: Served, tiny: str, body: dict[str, object]
) -> None:
    shown = door.post("/api/show", body).json()
    assert shown["model_info"]["llama.context_length"] == 2048
    assert shown["model_info"]["general.parameter_count"] == 1_500_000_000
    assert shown["capabilities"] == ["completion", "tools"]
    assert None not in shown.values()


def test_an_alias_is_shown_with_its_defaults(door: Served, tiny: str) -> None:
    alias = {"model": tiny, "system": "Be brief.", "parameters": {"temperature": 0.5, "stop": ["a", "b"]}}
    door.client.put("/v1/models/aliases/brief", json=alias)
    shown = door.post("/api/show", {"model": "brief"}).json()
    assert shown["system"] == "Be brief."
    assert shown["modelfile"].splitlines() == [
        "FROM tiny", "PARAMETER temperature 0.5", 'PARAMETER stop "a"', 'PARAMETER stop "b"', 'SYSTEM """Be brief."""',
    ]  # fmt: skip


def test_a_model_that_is_not_there_is_a_404_with_the_nearest_name(door: Served, tiny: str) -> None:
    for path, body in [("/api/show", {}), ("/api/chat", {"messages": [{"role": "user", "content": "x"}]})]:
        answer = door.post(path, {"model": "tinny", **body})
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("model 'tinny' not found")
        assert "tiny" in answer.json()["error"]


@pytest.mark.parametrize("gpu", [False, True])
def test_what_is_loaded_says_how_long_it_stays(door: Served, fleet: Fleet, gpu: bool) -> None:
    fleet.register(runtimes=[ECHO.model_copy(update={"gpu": gpu})])
    fleet.ready_run(model="echo", spec={"keep_alive": 60})
    [loaded] = door.get("/api/ps").json()["models"]
    assert (loaded["name"], loaded["size"], loaded["size_vram"]) == ("echo:latest", 1024, 1024 if gpu else 0)
    assert loaded["context_length"] == 4096
    assert re.match(r"20\d\d-", loaded["expires_at"])


def test_what_stays_for_ever_says_so(door: Served, fleet: Fleet) -> None:
    fleet.ready_run(model="echo", spec={"keep_alive": -1})
    [loaded] = door.get("/api/ps").json()["models"]
    assert loaded["expires_at"].startswith("23")


def test_what_stays_longer_than_dates_go_is_no_failure(door: Served, fleet: Fleet) -> None:
    run = fleet.ready_run(model="echo", spec={"keep_alive": 60})
    with door.database.write() as session:
        session.execute(update(Run).where(Run.id == run.run_id).values(keep_alive=1e12))
    [loaded] = door.get("/api/ps").json()["models"]
    assert loaded["expires_at"].startswith("9999-12-31")
