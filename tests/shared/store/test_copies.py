"""Where copies of `local:` models lie: told by what they hold, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.store import copies

MODELS = Path("/data/models")
NAMES = st.from_regex(r"[a-z0-9._-]{1,12}(/[a-z0-9._-]{1,12})?", fullmatch=True)
CHECKSUMS = st.sampled_from([digit * 64 for digit in "0123"])
FILES = st.dictionaries(NAMES, CHECKSUMS, min_size=1, max_size=5).map(
    lambda found: [{"name": name, "size": 7, "sha256": sha256} for name, sha256 in found.items()]
)


def path_in(key: str, name: str) -> str:
    return str(copies.place(MODELS, key) / name)


@given(FILES, st.randoms())
def test_the_order_in_which_files_are_named_does_not_matter(files: list[dict[str, Any]], random: Any) -> None:
    other = list(files)
    random.shuffle(other)
    assert copies.key(other) == copies.key(files)


@given(FILES, FILES)
def test_other_names_or_other_contents_go_to_another_folder(
    files: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    def told(of: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(file["name"], file["sha256"]) for file in of}

    assume(told(files) != told(other))
    assert copies.key(files) != copies.key(other)


@given(FILES)
def test_a_copy_is_known_by_its_path_whichever_of_its_files_is_loaded(files: list[dict[str, Any]]) -> None:
    key = copies.key(files)
    assert copies.is_copy(str(copies.place(MODELS, key)), files)
    assert all(copies.is_copy(path_in(key, file["name"]), files) for file in files)


@given(FILES, FILES)
def test_what_lies_elsewhere_is_no_copy(files: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assume(copies.key(files) != copies.key(other))
    assert not copies.is_copy(path_in(copies.key(other), "model.gguf"), files)
    assert not copies.is_copy(f"/elsewhere/{copies.key(files)}/model.gguf", files)
    assert not copies.is_copy("/copies/model.gguf", files)


@given(FILES)
def test_a_key_is_a_name_of_one_folder(files: list[dict[str, Any]]) -> None:
    place = copies.place(MODELS, copies.key(files))
    assert place.parent == MODELS / copies.FOLDER
    assert len(place.name) == 32
