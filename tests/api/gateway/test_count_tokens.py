"""Counting tokens: by a ready run, else by the model's tokenizer, else by length; it starts nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.gateway import local_tokens
from shared import catalog
from shared.protocol import InstallRecord
from shared.vocabulary import Capability, Format, Provider
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.models import write_tokenizer

_PATH = "/v1/messages/count_tokens"
_HELLO = {"role": "user", "content": "hello there"}

#: Prints by how many KiB a long text makes a process grow; a Mac tells its bytes.
_MEASURED = """
import resource, sys
from pathlib import Path
from api.gateway import local_tokens
def most(text):
    local_tokens.count({"messages": [{"role": "user", "content": text}]}, Path(sys.argv[1]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
print(-most("x") + most("a b c d " * 131_000))
"""


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [_HELLO]} | fields


def saying(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("path", [_PATH, f"{_PATH}?beta=true", f"/anthropic{_PATH}"])
def test_tokens_are_counted_without_a_run_and_none_is_started(door: Served, fleet: Fleet, path: str) -> None:
    answer = door.post(path, asked(), headers={"anthropic-beta": "token-counting-2099-01-01,more"})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"input_tokens"}
    assert answer.json()["input_tokens"] > 0
    assert answer.headers["Cidermill-Count"] == "estimate"
    assert door.get("/v1/runs").json()["data"] == []


def test_more_text_tools_and_images_are_more_tokens(door: Served, fleet: Fleet) -> None:
    tool = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    sizes = [
        door.post(_PATH, asked(**more)).json()["input_tokens"]
        for more in (
            {},
            {"system": "be brief"},
            {"system": [{"type": "text", "text": "be brief"}], "tools": [tool]},
            {"system": "be brief", "tools": [tool], "messages": [{"role": "user", "content": [image]}]},
        )
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (asked(model="nobody"), 404, "not_found_error"),
        (asked(messages=[]), 400, "invalid_request_error"),
        ({"messages": [_HELLO]}, 400, "invalid_request_error"),
    ],
)
def test_mistakes_have_anthropics_shape(
    door: Served, fleet: Fleet, body: dict[str, Any], status: int, kind: str
) -> None:
    answer = door.post(_PATH, body)
    assert (answer.status_code, answer.json()["type"], answer.json()["error"]["type"]) == (status, "error", kind)


def test_an_engine_that_cannot_count_or_is_gone_is_no_error(door: Served, fleet: Fleet) -> None:
    fleet.ready_run("http://127.0.0.1:1")
    assert door.post(_PATH, asked()).headers["Cidermill-Count"] == "estimate"


def test_a_tokenizer_that_is_here_counts(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    body = {"messages": [_HELLO]}
    counted, less = (local_tokens.count(one, tmp_path / "tokenizer.json") for one in (body, saying("hello")))
    assert counted is not None
    assert less is not None
    assert counted - less == len(" there"), "the tokenizer has a token for each byte"


def test_half_a_character_is_counted_as_one(tmp_path: Path) -> None:
    """Clients that cut texts leave it, and the library takes it for no text at all."""
    write_tokenizer(tmp_path)
    cut, whole = map(saying, ("a\ud83d", "a?"))
    known = local_tokens.count(whole, tmp_path / "tokenizer.json")
    assert local_tokens.count(cut, tmp_path / "tokenizer.json") == known


@pytest.mark.parametrize("text", ["hello there, " * 2000, "x" * 20_000, "\n" * 20_000, " " * 20_000, "a\ud83d" * 9000])
def test_a_long_text_is_counted_in_pieces_and_whole(tmp_path: Path, text: str) -> None:
    write_tokenizer(tmp_path)
    read = [local_tokens.count(saying(one), tmp_path / "tokenizer.json") for one in (text, "")]
    assert read[0] is not None
    assert read[1] is not None
    assert read[0] - read[1] == len(text), "the tokenizer has a token for each byte"


def test_counting_a_long_text_takes_little_memory(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    counted = subprocess.run([sys.executable, "-c", _MEASURED, tmp_path / "tokenizer.json"], capture_output=True)
    grown = int(counted.stdout)
    assert grown < 64_000, f"{grown} KiB for 1 MiB of text"


@pytest.mark.parametrize("texts", [["x" * 1_100_000], [""] * 40_000])
def test_of_a_chat_that_would_take_long_the_length_counts(tmp_path: Path, texts: list[str]) -> None:
    write_tokenizer(tmp_path)
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    assert local_tokens.count(body, tmp_path / "tokenizer.json") is None


def test_a_tokenizer_counts_from_when_its_model_is_here(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    tiny = InstallRecord(
        provider=Provider.LOCAL, repo="/models/tiny", file=None, revision=None, name="tiny", format=Format.SAFETENSORS,
        path=str(tmp_path), size=1000, capabilities=[Capability.GENERATE],
    )  # fmt: skip
    Fleet(door, "mini").register(agent="agent-2")
    for host, source in (("mini", "estimate"), ("studio", "tokenizer")):
        with door.database.write() as session:
            catalog.register(session, host, [tiny])
        assert door.post(_PATH, asked(model="tiny")).headers["Cidermill-Count"] == source


def test_a_tokenizer_that_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    assert local_tokens.count({"messages": [_HELLO]}, tmp_path / "tokenizer.json") is None


def test_being_overloaded_has_anthropics_own_number(open_door: Opener) -> None:
    door = open_door(host_name="studio", lease_seconds=1)
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.ready_run("http://127.0.0.1:1")
    answer = door.post("/v1/messages", asked(max_tokens=5))
    assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")
