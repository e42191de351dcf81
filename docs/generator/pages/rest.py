"""`rest.md`: every call of the front door."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from api.schemas.base import Page
from api.schemas.jobs import JobIn
from api.schemas.keys import Listed
from docs.generator.frontdoor import front_door, roles
from docs.generator.markdown import anchor, code, sentences, table
from docs.generator.models import field_table, inner_models

_TOP = """\
# REST

For whoever calls the front door over HTTP. It answers at `http://127.0.0.1:8400`, if nothing else is set; the same for
programs is at `/openapi.json`, and for people at `/docs`. What agents and workers call is the
[worker protocol](worker-protocol.md).

* **Keys.** On loopback nobody needs a key. Anywhere else every caller sends `Authorization: Bearer ck_…` (or
  `x-api-key`), and the last column says which role it must have: `admin` may do all, `submit` what is not
  administration, `read` only look, `worker` only let hosts join (as admins may).
* **Errors** are `{"error": {code, what, why, fix, …}}` with the status of the [error](errors.md); what the clients of
  OpenAI, Anthropic and Ollama call has errors in those APIs' own shapes. 503 carries `Retry-After`.
* **Lists** come in pages, the newest first: `limit` rows, and `?after=<last_id>` for the next while `has_more` is true.
* **Sending twice.** With an `Idempotency-Key` the same request gives the same job again (200), another one with that
  key is refused (409).
* **Streams** of events are server-sent events. A client that comes back with `Last-Event-ID` misses nothing.
* **Times** are seconds since 1970, **sizes** are bytes. A field that a body does not have is refused, but for the calls
  of those clients: what they take is told in [fields of requests](fields.md).
"""

#: Calls with a page of their own.
_ELSEWHERE = frozenset({"worker protocol"})
_TITLES = {"openai": "OpenAI"}
#: Answers around other ones, and how they are spoken of.
_AROUND = {"Page": "page of ", "Listed": "list of "}
_REF = re.compile(r"#/components/schemas/(\w+)")


def page() -> str:
    with front_door() as app:
        document = app.openapi()
    calls = [call for call in _calls(document) if call["tag"] not in _ELSEWHERE]
    tags = dict.fromkeys(call["tag"] for call in calls)
    groups = (_group(tag, [call for call in calls if call["tag"] == tag]) for tag in tags)
    return "\n".join([_TOP, *groups, "## Bodies\n", *_bodies(calls)])


def _calls(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    asked = roles()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            role = asked.get((method.upper(), path), "")
            yield operation | {"call": code(f"{method.upper()} {path}"), "tag": operation["tags"][0], "role": role}


def _group(tag: str, calls: list[dict[str, Any]]) -> str:
    rows = [(call["call"], call["description"], _body(call), _answer(call), call["role"]) for call in calls]
    said = f"## {_TITLES.get(tag, tag.capitalize())}\n\n{table(('call', 'does', 'takes', 'answers', 'role'), rows)}\n"
    options = [
        (call["call"], code(each["name"]), each["in"], each.get("description", ""))
        for call in calls
        for each in call.get("parameters", [])
        if each["in"] != "path"
    ]
    return said + (f"\n{table(('call', 'parameter', 'in', 'meaning'), options)}\n" if options else "")


def _body(call: dict[str, Any]) -> str:
    content = call.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return "a multipart form with `file`, `purpose` and `expires_after`"
    return _link(content)


def _answer(call: dict[str, Any]) -> str:
    status, each = next(iter(call["responses"].items()))
    return " ".join(filter(None, [status, _link(each.get("content", {}))]))


def _link(content: dict[str, Any]) -> str:
    name = _REF.search(str(content))
    if name is None:
        return ""
    generic = re.fullmatch(r"(Page|Listed)_(\w+)_", name[1])
    target = generic[2] if generic else name[1]
    return f"{_AROUND[generic[1]] if generic else ''}[{target}](#{anchor(target)})"


def _models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every model of ours that routes may take or answer; generic ones only as they are written."""
    for kind in root.__subclasses__():
        if kind.__module__.startswith(("api.", "shared.")) and "[" not in kind.__name__:
            yield kind
        yield from _models(kind)


def _bodies(calls: Iterable[dict[str, Any]]) -> Iterator[str]:
    named = sorted({name for call in calls for name in re.findall(r"\(#(\w+)\)", _body(call) + _answer(call))})
    known = {anchor(kind.__name__): kind for kind in _models(BaseModel)}
    wanted = dict.fromkeys(part for name in named for part in (known[name], *inner_models(known[name])))
    for kind in sorted([*wanted, Page, Listed], key=lambda kind: kind.__name__):
        note = "What `params` may hold is told for each [kind](kinds.md)." if kind is JobIn else ""
        said = sentences(kind) if vars(kind).get("__doc__") else ""
        yield "\n\n".join(filter(None, [f"### {kind.__name__}", said, field_table(kind), note])) + "\n"
