"""Manifests: the same bytes are the same content under any name."""

from __future__ import annotations

from pathlib import Path

from shared.store.manifest import content_digest, manifest, places

ONE, TWO = "1" * 64, "2" * 64


def entry(name: str, sha256: str | None, size: int = 7) -> dict[str, object]:
    return {"name": name, "size": size, "sha256": sha256}


def test_the_same_bytes_under_other_names_are_the_same_content() -> None:
    hub = manifest([entry("model.gguf", ONE)])
    ollama = manifest([entry(f"sha256-{ONE}", ONE)])
    assert content_digest(hub) == content_digest(ollama)


def test_the_order_of_files_does_not_matter_but_their_content_does() -> None:
    files = [entry("a.json", ONE), entry("b.safetensors", TWO)]
    assert content_digest(manifest(files)) == content_digest(manifest(files[::-1]))
    assert content_digest(manifest(files)) != content_digest(manifest(files[:1]))


def test_content_is_unknown_while_a_file_is_unread() -> None:
    assert content_digest(manifest([entry("a.gguf", ONE), entry("b.gguf", None)])) is None
    assert content_digest(()) is None


def test_formats_are_told_by_suffix() -> None:
    found = manifest([entry(name, ONE) for name in ("a.GGUF", "b.safetensors", "model.bin", "c.json", "d")])
    assert {one.name: one.format for one in found} == {
        "a.GGUF": "gguf", "b.safetensors": "safetensors", "model.bin": "ctranslate2", "c.json": "json", "d": "other",
    }  # fmt: skip


def test_files_of_a_folder_lie_in_it() -> None:
    assert places("/models/tiny", ["config.json", "sub/a"]) == {
        "config.json": Path("/models/tiny/config.json"),
        "sub/a": Path("/models/tiny/sub/a"),
    }


def test_files_beside_the_one_that_is_loaded_share_its_root() -> None:
    names = ["Q4/m-00001-of-00002.gguf", "Q4/m-00002-of-00002.gguf"]
    found = places("/cache/snapshots/abc/Q4/m-00001-of-00002.gguf", names)
    assert found == {name: Path("/cache/snapshots/abc") / name for name in names}
