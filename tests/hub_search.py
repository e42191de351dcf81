"""The search of the loopback hub: repositories whose name has all the words, as the hub lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs, urlsplit


class Published(Protocol):
    @property
    def files(self) -> Mapping[str, object]: ...

    @property
    def commit(self) -> str: ...

    @property
    def gated(self) -> bool: ...


def listing(repositories: Mapping[str, Published], target: str) -> bytes:
    """The answer to `GET /api/models?search=…&filter=…&limit=…`, the one with most files as the most downloaded."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    words = query.get("search", "").lower().split()
    found = [
        _entry(name, repository)
        for name, repository in repositories.items()
        if all(word in name.lower() for word in words) and query.get("filter", "") in ("", *_tags(repository))
    ]
    found.sort(key=lambda entry: -int(str(entry["downloads"])))
    return json.dumps(found[: int(query.get("limit", "1000"))]).encode()


def _entry(name: str, repository: Published) -> dict[str, object]:
    return {
        "_id": repository.commit[:24],
        "id": name,
        "modelId": name,
        "sha": repository.commit,
        "author": name.partition("/")[0],
        "downloads": 100 * len(repository.files),
        "likes": len(repository.files),
        "gated": "auto" if repository.gated else False,
        "private": False,
        "tags": _tags(repository),
        "pipeline_tag": "text-generation",
        "lastModified": "2026-01-02T03:04:05.000Z",
        "createdAt": "2026-01-02T03:04:05.000Z",
        "siblings": [{"rfilename": file} for file in repository.files],
    }


def _tags(repository: Published) -> list[str]:
    suffixes = {file.rpartition(".")[2] for file in repository.files}
    return ["license:apache-2.0", *(suffix for suffix in ("gguf", "safetensors") if suffix in suffixes)]
