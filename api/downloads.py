"""A stored file as an answer: streamed, resumable, and harmless to a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.ranges import Span, read_range
from shared.files import FileStore
from shared.tables import File

#: Types that can stand in a header as they are; whoever uploaded a file chose its type.
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}(; ?[\w.+-]{1,40}=[\w.+-]{1,40}){0,3}", re.ASCII)


def send_file(request: Request, store: FileStore, row: File) -> Response:
    """The file, or the range of it that was asked for. Raises NotFound when its bytes are gone."""
    etag = f'"{row.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        # It must never run as a page of ours.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    if _is_known(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    head = request.method == "HEAD"
    whole = head or request.headers.get("if-range") not in (None, etag)
    try:
        span = None if whole else read_range(request.headers.get("range"), row.size)
    except ValueError:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{row.size}"})
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.length - 1}/{row.size}"
    sent = span or Span(0, row.size)
    headers["Content-Length"] = str(sent.length)
    # Also who asks for the head only is told when the bytes are gone.
    pieces = store.pieces(row.id, sent.start, 0 if head else sent.length)
    return StreamingResponse(pieces, 206 if span is not None else 200, headers, _plain_type(row))


def _is_known(asked: Sequence[str], etag: str) -> bool:
    """Whether the client has the file: `If-None-Match` is a list, and weak validators count (RFC 9110 §13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for line in asked for tag in line.split(",")]
    return etag in tags or "*" in tags


def _plain_type(row: File) -> str:
    return row.content_type if _TYPE.fullmatch(row.content_type) else "application/octet-stream"
