"""What a message's content is made of: Anthropic's blocks, as the parts that engines read.

Source: Anthropic's API reference, "Messages", "PDF support", "Search results".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

Part = dict[str, Any]


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
                yield _text(block.get("text"))
            case "image":
                yield {"type": "image_url", "image_url": {"url": _image(block, place)}}
            case "document":
                yield from _document(block, place)
            case "search_result":
                yield _text("\n".join(_said(block, "title", "source")))
                yield from parts(blocks(block.get("content") or "", place), place)
            case "tool_reference":
                yield _text(block.get("tool_name"))
            case other:
                raise _unread(place, f"nothing here reads a block of type {other}", "send its text")


def plain(content: Sequence[Part]) -> str:
    """The texts among them, one a line."""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _document(block: Mapping[str, Any], place: str) -> Iterator[Part]:
    """What it is called and about, then what it says."""
    source = block.get("source") if isinstance(block.get("source"), dict) else {}
    assert isinstance(source, dict)
    if about := _said(block, "title", "context"):
        yield _text("\n".join(about))
    match source.get("type"):
        case "text":
            yield _text(source.get("data"))
        case "content":
            yield from parts(blocks(source.get("content") or "", place), place)
        case other:
            raise _unread(place, f"no engine here reads a document of type {other}", "send its text: source.type text")


def _image(block: Mapping[str, Any], place: str) -> str:
    """As a data URL; addresses are refused, for the engine would fetch whatever they name."""
    source = want(block, "source", dict) or {}
    if source.get("type") == "base64" and source.get("data"):
        return f"data:{source.get('media_type') or 'image/png'};base64,{source['data']}"
    raise InvalidParameters(
        f"{place} has an image that cannot be used",
        f"its source is {source.get('type') or 'missing'}",
        "send the image itself: source.type base64",
        field=place,
    )


def _said(block: Mapping[str, Any], *names: str) -> list[str]:
    return [block[name] for name in names if isinstance(block.get(name), str) and block[name]]


def _text(text: object) -> Part:
    return {"type": "text", "text": text if isinstance(text, str) else ""}


def _unread(place: str, why: str, fix: str) -> InvalidParameters:
    return InvalidParameters(f"{place} has a block that cannot be used", why, fix, field=place)
