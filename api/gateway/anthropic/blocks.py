"""What a message's content is made of: Anthropic's blocks, as the parts that engines read.

Source: Anthropic's API reference, "Messages", "PDF support", "Search results".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

Part = dict[str, Any]

_SPOKEN = ("text", "thinking", "tool_use")
#: What Anthropic's servers did or hid in a chat that began there: nothing else can read it.
_FOREIGN = ("redacted_thinking", "server_tool_use", "mcp_tool_use")


def blocks(content: object, place: str) -> list[dict[str, Any]]:
    """Content as a list of blocks: a text is one block. Raises InvalidParameters."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list) and all(isinstance(block, dict) and "type" in block for block in content):
        return content
    raise InvalidParameters(
        f"{place}.content is wrong", "it is neither a text nor a list of blocks", "give blocks with a type", field=place
    )


def parts(content: Sequence[Mapping[str, Any]], place: str) -> Iterator[Part]:
    """Blocks of a user or a tool: what none of it is told of would change the answer, and is refused.

    Raises InvalidParameters.
    """
    for block in content:
        match block["type"]:
            case "text":
                yield _text(_read(block, "text", place))
            case "image":
                yield {"type": "image_url", "image_url": {"url": _image(block, place)}}
            case "document":
                yield from _document(block, place)
            case "search_result":
                yield _text("\n".join(_said(block, place, "title", "source")))
                yield from parts(blocks(block.get("content") or "", place), place)
            case "tool_reference":
                yield _text(_read(block, "tool_name", place))
            case other:
                raise _unread(place, f"nothing here reads a block of type {other}", "send its text")


def check_spoken(block: Mapping[str, Any], place: str) -> None:
    """A block of what the model said before. Raises InvalidParameters for one whose loss would change the chat."""
    kind = block["type"]
    if kind not in (*_SPOKEN, *_FOREIGN) and not str(kind).endswith("_tool_result"):
        raise _unread(place, f"nothing here reads a block of type {kind} of an assistant", "send its text")


def plain(content: Sequence[Part]) -> str:
    """The texts among them, one a line."""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _document(block: Mapping[str, Any], place: str) -> Iterator[Part]:
    """What it is called and about, then what it says."""
    source = block.get("source") if isinstance(block.get("source"), dict) else {}
    assert isinstance(source, dict)
    if about := _said(block, place, "title", "context"):
        yield _text("\n".join(about))
    match source.get("type"):
        case "text":
            yield _text(_read(source, "data", place))
        case "content":
            yield from parts(blocks(source.get("content") or "", place), place)
        case other:
            raise _unread(place, f"no engine here reads a document of type {other}", "send its text: source.type text")


def _image(block: Mapping[str, Any], place: str) -> str:
    """As a data URL; addresses are refused, for the engine would fetch whatever they name."""
    source = want(block, "source", dict) or {}
    if source.get("type") == "base64" and source.get("data"):
        [kind] = _said(source, place, "media_type") or ["image/png"]
        return f"data:{kind};base64,{_read(source, 'data', place)}"
    raise InvalidParameters(
        f"{place} has an image that cannot be used",
        f"its source is {source.get('type') or 'missing'}",
        "send the image itself: source.type base64",
        field=place,
    )


def _said(block: Mapping[str, Any], place: str, *names: str) -> list[str]:
    """What it says under these names, any of which may be missing."""
    return [said for name in names if block.get(name) is not None and (said := _read(block, name, place))]


def _read(block: Mapping[str, Any], name: str, place: str) -> str:
    """What is no text is not passed over: it would change the answer."""
    if isinstance(text := block.get(name), str):
        return text
    raise _unread(place, f"its {name} is {'missing' if text is None else 'no text'}", f"give {name} as a text")


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _unread(place: str, why: str, fix: str) -> InvalidParameters:
    return InvalidParameters(f"{place} has a block that cannot be used", why, fix, field=place)
