"""Deleting from a host's disk spares what others use."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidInput
from shared.references import ModelRef
from shared.store.keeping import Keeping
from tests.store_context import StoreContext


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(StoreContext(tmp_path).store())


def cached(folder: Path, commit: str, **files: str) -> Path:
    """A snapshot in the Hugging Face cache: names to blobs, whose content is their name."""
    repository = folder / "hub" / "models--org--tiny"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir(exist_ok=True)
    for name, blob in files.items():
        (repository / "blobs" / blob).write_text(blob)
        (snapshot / name).symlink_to(repository / "blobs" / blob)
    return snapshot


def test_a_repository_goes_with_its_last_file(tmp_path: Path, keeping: Keeping) -> None:
    snapshot = cached(tmp_path, "c1", weights="w", config="c")
    (snapshot.parent.parent / "refs").mkdir()
    assert keeping.forget([snapshot / "weights", snapshot / "config"]) == 2
    assert list((tmp_path / "hub").iterdir()) == []


def test_a_blob_that_another_commit_shares_stays(tmp_path: Path, keeping: Keeping) -> None:
    old, new = cached(tmp_path, "c1", weights="w", config="old"), cached(tmp_path, "c2", weights="w", config="new")
    assert keeping.forget([old / "weights", old / "config"]) == len("old")
    assert (new / "weights").read_text() == "w"
    assert not old.exists()


def test_what_an_installed_model_uses_stays(tmp_path: Path, keeping: Keeping) -> None:
    snapshot = cached(tmp_path, "c1", weights="w")
    blob = (snapshot / "weights").resolve()
    assert keeping.forget([snapshot / "weights"], {blob}) == 0
    assert blob.read_text() == "w"


def test_nothing_outside_of_our_folders_is_touched(tmp_path: Path, keeping: Keeping) -> None:
    theirs = tmp_path / "ollama" / "blob"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    link = cached(tmp_path, "c1", config="c") / "weights"
    link.symlink_to(theirs)
    assert keeping.forget([theirs, link, tmp_path / "gone"]) == 0
    assert theirs.read_text() == "theirs"


def test_only_downloads_of_ours_have_a_place(tmp_path: Path, keeping: Keeping) -> None:
    commit = "c" * 40
    place = keeping.root(ModelRef.parse(f"hf:org/tiny@{commit}"))
    assert place == tmp_path / "hub" / "models--org--tiny" / "snapshots" / commit
    assert keeping.root(ModelRef.parse("url:https://host/tiny.gguf")).is_relative_to(tmp_path / "models" / "url")
    for text in ("local:/models/tiny.gguf", "hf:org/tiny"):
        with pytest.raises(InvalidInput):
            keeping.root(ModelRef.parse(text))
