"""Where one thing of the front door is: names are a part of its path, and never lead elsewhere."""

from __future__ import annotations

import re
from urllib.parse import quote

from shared.errors import NotFound

_PLACES = {
    "alias": "/v1/models/aliases",
    "host": "/v1/hosts",
    "job": "/v1/jobs",
    "key": "/v1/keys",
    "model": "/v1/models",
    "quarantine": "/v1/quarantines",
    "queue": "/v1/queues",
    "run": "/v1/runs",
    "schedule": "/v1/schedules",
}
#: What may have `/` in its name.
_WITH_SLASHES = {"alias", "model", "quarantine", "queue"}


def path_of(kind: str, name: str, *more: str) -> str:
    """The path of the `kind` that is called so, and below it. Raises NotFound when nothing can be called so."""
    slashes = "/" if kind in _WITH_SLASHES else ""
    if not all(map(_leads_down, (name, *more))) or ("/" in name and not slashes):
        raise NotFound(f"There is no {kind} {name!r}", "nothing can be called so", "name one that its `ls` shows")
    return "/".join([_PLACES[kind], quote(name, safe=slashes), *(quote(step, safe="") for step in more)])


def _leads_down(text: str) -> bool:
    """Whether it is a part of a path, and can be sent: half a character cannot."""
    return bool(text) and not {".", ".."} & set(text.split("/")) and not _HALF.search(text)


_HALF = re.compile("[\ud800-\udfff]")
