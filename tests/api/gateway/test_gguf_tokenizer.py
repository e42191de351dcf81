"""What a GGUF file's own tokenizer counts, beside what llama.cpp makes of the same text."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway import gguf_tokenizer, local_tokens
from shared import catalog
from shared.protocol import InstallRecord
from shared.vocabulary import Capability, Format, Provider
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.handmade import gguf
from tests.models import smollm2
from tests.runs import running

_TEXTS = (
    "Hello world! It's 12345 o'clock, isn't it?",
    "Über naïve cafés — 你好，世界。 Ελληνικά и русский 🙂👩‍🚀",
    "def f(x):\n    return x ** 2  # twice\n\n\tif  not  y: pass\r\n",
    "   leading, trailing   \n\n\n",
    "3.14159 1,000,000 v2.0.1 0xDEADBEEF",
    "",
)


@pytest.mark.model
def test_it_is_what_llama_cpp_counts() -> None:
    tokenizer = gguf_tokenizer.read(Path(smollm2().path))
    with running("llama-cpp", smollm2(), slots=1, context=512, threads=1) as process:
        for text in _TEXTS:
            url = f"{process.endpoint.url}/tokenize"
            told = httpx2.post(url, json={"content": text}, timeout=60, trust_env=False).json()
            assert tokenizer.encode(text, add_special_tokens=False).ids == told["tokens"], text


def _made(path: Path, kind: str, words: list[str], **more: object) -> Path:
    fields = {"general.architecture": "llama", "tokenizer.ggml.model": kind, "tokenizer.ggml.tokens": words}
    path.write_bytes(gguf({**fields, **{f"tokenizer.ggml.{name}": value for name, value in more.items()}}))
    return path


def test_words_with_scores_are_divided_as_they_score_best(tmp_path: Path) -> None:
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    words = ["<unk>", "▁hello", "▁", "he", "llo", "▁there", *bytes_]
    scores = [0.0, -1.0, -4.0, -3.0, -3.0, -2.0, *[-20.0] * 256]
    tokenizer = gguf_tokenizer.read(_made(tmp_path / "m.gguf", "llama", words, scores=scores, unknown_token_id=0))
    assert tokenizer.encode("hello there").tokens == ["▁hello", "▁there"]
    assert tokenizer.encode("hello 你").tokens[-3:] == ["<0xE4>", "<0xBD>", "<0xA0>"]


@pytest.mark.parametrize("kind", ["bert", "nobody knows"])
def test_of_other_kinds_the_length_counts(tmp_path: Path, kind: str) -> None:
    path = _made(tmp_path / "m.gguf", kind, ["a", "b"])
    assert gguf_tokenizer.read(path) is None
    assert local_tokens.count({"messages": []}, path) is None


@pytest.mark.parametrize(
    "more",
    [
        {"tokens": [1, 2]},
        {"merges": [3]},
        {"merges": ["x y"]},
        {"model": "llama", "scores": [1.0]},
        {"model": 7},
        {"model": "llama", "scores": [1.0, 1.0], "unknown_token_id": 2},
        {"model": "llama", "scores": [1.0, 1.0], "unknown_token_id": -1},
    ],
)
def test_what_does_not_belong_together_counts_nothing_or_what_it_can(tmp_path: Path, more: dict[str, object]) -> None:
    fields = {"model": "gpt2", "tokens": ["a", "b"], **more}
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf({f"tokenizer.ggml.{name}": value for name, value in fields.items()}))
    assert local_tokens.count({"messages": [{"content": "ab"}]}, path) in (None, 8 + 2)


@given(st.binary(max_size=300))
def test_a_damaged_file_counts_nothing(tmp_path_factory: pytest.TempPathFactory, said: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "m.gguf"
    path.write_bytes(b"GGUF" + said)
    assert local_tokens.count({"messages": [{"content": "hello"}]}, path) is None


def test_a_model_that_is_not_loaded_is_counted_by_its_file(door: Served, fleet: Fleet) -> None:
    path = Path(smollm2().path)
    record = InstallRecord(
        provider=Provider.LOCAL, repo=str(path), file=None, revision=None, name="small", format=Format.GGUF,
        path=str(path), size=path.stat().st_size, capabilities=[Capability.GENERATE],
    )  # fmt: skip
    Fleet(door, "studio").register(agent="agent-2")
    with door.database.write() as session:
        catalog.register(session, "studio", [record])
    asked = {"model": "small", "messages": [{"role": "user", "content": _TEXTS[1]}]}
    answer = door.post("/v1/messages/count_tokens", asked)
    assert answer.headers["Cidermill-Count"] == "tokenizer"
    assert answer.json()["input_tokens"] > 40, "bytes divided by four are far fewer"
    assert door.get("/v1/runs").json()["data"] == []
