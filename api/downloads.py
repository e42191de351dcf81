"""A stored file as an answer: streamed, resumable, and harmless to a browser."""

from __future__ import annotations

import re
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
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    unchanged = request.headers.get("if-range") in (None, etag)
    try:
        span = read_range(request.headers.get("range"), row.size) if unchanged else None
    except ValueError:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{row.size}"})
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.length - 1}/{row.size}"
    sent = span or Span(0, row.size)
    headers["Content-Length"] = str(sent.length)
    pieces = store.pieces(row.id, sent.start, sent.length)
    return StreamingResponse(pieces, 206 if span is not None else 200, headers, _plain_type(row))


def _plain_type(row: File) -> str:
    return row.content_type if _TYPE.fullmatch(row.content_type) else "application/octet-stream"
