"""Texts that are too long to embed: cut for Ollama's clients, refused for others."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.gateway.cutting import shortened
from shared.runtimes import Endpoint, InstalledModel
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.models import smollm2
from tests.runs import running

_CONTEXT = 32
_LONG = "word " * 100
#: Of a GGUF file's facts: how many there are, as a place and a size, and the types of numbers and of texts.
_COUNT, _NUMBER, _TEXT = slice(16, 24), 4, 8


@pytest.mark.parametrize(
    ("whole", "own", "cut"),
    [
        ([1, 5, 6, 7, 8, 2], [5, 6, 7, 8], [1, 5, 6, 2]),
        ([5, 6, 7, 8, 9], [5, 6, 7, 8, 9], [5, 6, 7, 8]),
        ([1, 5, 5, 5, 5], [5, 5, 5, 5], [1, 5, 5, 5]),
        ([1, 5, 6, 7, 2], [8, 6, 7, 9], [8, 6, 7, 2]),
    ],
)
def test_what_a_tokenizer_puts_around_a_text_stays_when_the_text_is_cut(
    whole: list[int], own: list[int], cut: list[int]
) -> None:
    assert shortened(whole, own, 4) == cut


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """llama.cpp with a model that embeds, a talking one that was told to mean its tokens."""
    model = smollm2()
    file = tmp_path_factory.mktemp("embedder") / "embedder.gguf"
    file.write_bytes(_pooling(Path(model.path).read_bytes()))
    embeds = {"path": str(file), "capabilities": (Capability.EMBED,)}
    with running(
        "llama-cpp", InstalledModel(**model.model_dump() | embeds), slots=1, context=_CONTEXT, threads=1
    ) as run:
        yield run.endpoint


def _pooling(gguf: bytes) -> bytes:
    """The file with one fact more, and one beside it of the length that keeps what follows aligned."""
    facts = _fact(b"llama.pooling_type", _NUMBER, struct.pack("<I", 1))
    rest = -(len(facts) + len(_fact(b"test.space", _TEXT, struct.pack("<Q", 0)))) % 32
    facts += _fact(b"test.space", _TEXT, struct.pack("<Q", rest) + b" " * rest)
    count = struct.pack("<Q", struct.unpack("<Q", gguf[_COUNT])[0] + 2)
    return gguf[: _COUNT.start] + count + facts + gguf[_COUNT.stop :]


def _fact(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


@pytest.mark.model
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_text_is_cut_to_the_context_unless_its_sender_forbids_it(
    door: Served, fleet: Fleet, embedder: Endpoint
) -> None:
    fleet.ready_run(served=embedder, capability="embed")

    def embed(**more: Any) -> Any:
        return door.post("/api/embed", {"model": "echo", "input": ["hello", _LONG], **more}, timeout=100.0)

    cut = embed().json()
    assert [len(vector) for vector in cut["embeddings"]] == [576, 576]
    assert cut["prompt_eval_count"] == _CONTEXT + 1
    shorter = embed(options={"num_ctx": 16}).json()
    assert (shorter["prompt_eval_count"], shorter["embeddings"][0]) == (17, cut["embeddings"][0])
    refused = embed(truncate=False)
    assert refused.status_code == 400
    assert "the input length exceeds the context length: it has 101 tokens" in refused.json()["error"]
    others = door.post("/v1/embeddings", {"model": "echo", "input": _LONG}, timeout=100.0)
    assert (others.status_code, others.json()["error"]["code"]) == (400, "context_length_exceeded")
