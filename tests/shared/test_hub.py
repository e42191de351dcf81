from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.errors import CidermillError, DownloadFailed, GatedModel, NotFound, Unavailable
from shared.hub import Hub, HubFile, Snapshot, retry_after
from shared.hub_choice import choose, groups
from shared.units import Bytes
from tests.hub import TOKEN, Fault, HubServer, running_hub


@pytest.fixture
def server() -> Iterator[HubServer]:
    with running_hub() as hub:
        yield hub


def repository(*names: str) -> Snapshot:
    files = tuple(HubFile(name=name, size=Bytes(10)) for name in names)
    return Snapshot(repo="org/name", revision="main", commit="a" * 40, files=files)


def chosen(snapshot: Snapshot, file: str | None = None, **patterns: tuple[str, ...]) -> list[str]:
    return [entry.name for entry in choose(snapshot, file, **patterns)]


# --- asking ------------------------------------------------------------------------------------


def test_a_branch_is_resolved_to_its_commit_with_sizes_and_checksums(server: HubServer) -> None:
    commit = server.add("org/name", {"m.gguf": b"weights", "config.json": b"{}"}).commit
    snapshot = Hub(server.url).snapshot("org/name")
    assert (snapshot.commit, snapshot.revision) == (commit, "main")
    large, small = snapshot.files
    assert (large.name, large.size, len(large.sha256 or "")) == ("m.gguf", 7, 64)
    assert (small.name, small.size, small.sha256, len(small.blob_id or "")) == ("config.json", 2, None, 40)
    assert Hub(server.url).snapshot("org/name", commit).commit == commit


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (401, {}, NotFound),
        (404, {}, NotFound),
        (403, {}, GatedModel),
        (403, {"X-Error-Code": "GatedRepo"}, GatedModel),
        (404, {"X-Error-Code": "RevisionNotFound"}, NotFound),
        (429, {"Retry-After": "7"}, Unavailable),
        (503, {}, Unavailable),
        (400, {}, DownloadFailed),
        (200, {}, DownloadFailed),
    ],
)
def test_each_refusal_is_a_typed_error_with_a_fix(
    server: HubServer, status: int, headers: dict[str, str], expected: type[CidermillError]
) -> None:
    server.info_faults.append(Fault(status=status, headers=headers))
    with pytest.raises(expected) as caught:
        Hub(server.url, TOKEN).snapshot("org/name", "v9")
    assert caught.value.problem.fix
    assert TOKEN not in str(caught.value)
    assert caught.value.problem.details.get("retry_after") == (7.0 if status == 429 else None)


def test_a_private_repository_is_seen_with_the_right_token(server: HubServer) -> None:
    server.add("org/name", {"m.gguf": b"weights"}, private=True)
    with pytest.raises(NotFound, match="HF_TOKEN"):
        Hub(server.url).snapshot("org/name")
    assert Hub(server.url, TOKEN).snapshot("org/name").files


def test_a_hub_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="HF_ENDPOINT"):
        Hub("http://127.0.0.1:9").snapshot("org/name")


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", ".."])
def test_a_hub_may_not_name_files_outside_of_the_repository(server: HubServer, name: str) -> None:
    server.add("org/name", {name: b"x"})
    with pytest.raises(DownloadFailed, match="did not answer as a hub"):
        Hub(server.url).snapshot("org/name")


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert [str(retry_after(said)) for said in ("12", "1.5", "0", "-3")] == ["12", "2", "0", "0"]
    assert 50 < (retry_after(soon) or 0) <= 60
    assert retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0
    assert retry_after("soon") is retry_after("inf") is retry_after("nan") is None
    assert retry_after(None) is None


# --- choosing ----------------------------------------------------------------------------------


def test_of_many_quantisations_the_sensible_one_is_chosen() -> None:
    snapshot = repository("M-Q2_K.gguf", "M-Q8_0.gguf", "M-Q4_K_M.gguf", "M-F16.gguf", "mmproj-M-F16.gguf")
    projector = "mmproj-M-F16.gguf"
    assert chosen(snapshot) == ["M-Q4_K_M.gguf", projector]
    assert chosen(snapshot, exclude=("*Q4*",)) == ["M-Q8_0.gguf", projector]
    assert chosen(snapshot, exclude=("mmproj*",)) == ["M-Q4_K_M.gguf"]
    assert chosen(snapshot, "Q2_K") == chosen(snapshot, "M-Q2_K.gguf") == ["M-Q2_K.gguf", projector]
    assert chosen(snapshot, "F16") == ["M-F16.gguf", projector]
    assert chosen(snapshot, projector) == [projector]
    assert chosen(repository("odd.gguf", "also-odd.gguf")) == ["also-odd.gguf"]


@pytest.mark.parametrize("asked", ["Q8_0", "q8_0", "*q8*", "M-Q8_0.gguf"])
def test_a_file_may_be_asked_for_by_quantisation_pattern_or_name(asked: str) -> None:
    assert chosen(repository("M-Q4_K_M.gguf", "M-Q8_0.gguf"), asked) == ["M-Q8_0.gguf"]


def test_all_parts_of_a_split_model_come_together() -> None:
    parts = [f"Q4_K_M/M-Q4_K_M-0000{number}-of-00002.gguf" for number in (1, 2)]
    snapshot = repository("Q8_0/M-Q8_0.gguf", *parts)
    assert chosen(snapshot) == parts
    assert chosen(snapshot, parts[0]) == parts
    assert list(groups(snapshot.files)) == ["Q4_K_M/M-Q4_K_M.gguf", "Q8_0/M-Q8_0.gguf"]


def test_a_safetensors_set_comes_with_its_small_files_and_without_copies() -> None:
    snapshot = repository(
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.model",
        "consolidated.safetensors", "original/params.json", "README.md", "pytorch_model.bin", "onnx/model.onnx",
    )  # fmt: skip
    assert chosen(snapshot) == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json", "tokenizer.model",
    ]  # fmt: skip


def test_a_ctranslate2_model_is_a_set_of_its_own() -> None:
    snapshot = repository("model.bin", "config.json", "vocabulary.txt", "README.md")
    assert chosen(snapshot) == ["model.bin", "config.json", "vocabulary.txt"]


def test_patterns_take_every_file_they_name() -> None:
    snapshot = repository("M-Q4_K_M.gguf", "M-Q8_0.gguf", "README.md")
    assert chosen(snapshot, include=("*.gguf",)) == ["M-Q4_K_M.gguf", "M-Q8_0.gguf"]
    assert chosen(snapshot, include=("*.gguf",), exclude=("*Q8*",)) == ["M-Q4_K_M.gguf"]


def test_a_repository_without_weights_says_what_it_holds() -> None:
    with pytest.raises(NotFound, match=r"README\.md"):
        choose(repository("README.md"))
    with pytest.raises(NotFound, match="called Q9"):
        choose(repository("M-Q4_0.gguf"), "Q9")
