"""What can be asked, as a page without scripts: one that ran somebody else's could do all that its reader may."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

router = APIRouter(tags=["health"])

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; text-transform: capitalize; }
dt { font-family: ui-monospace, monospace; margin-top: .8rem; }
dd { margin-left: 1.5rem; }
b { display: inline-block; min-width: 4.5rem; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } a { color: #8cf; } }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: Nothing is loaded, nothing runs, and no other page shows this one in a frame.
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


@router.api_route("/openapi.json", methods=["GET", "HEAD"], response_class=JSONResponse, include_in_schema=False)
def document(request: Request) -> JSONResponse:
    """In a thread, as the page below: it is put together by who asks first, which takes a second."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", response_class=HTMLResponse)
def reference(request: Request) -> HTMLResponse:
    """Every route with what it does, for people; `/openapi.json` says the same to programs."""
    return HTMLResponse(_page(request.app.openapi()), headers=HEADERS)


def _page(document: dict[str, Any]) -> str:
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    about = (
        f'<h1>{title}</h1><p>{escape(info["description"])} For programs: <a href="openapi.json">openapi.json</a>.</p>'
    )
    nouns: dict[str, list[str]] = {}
    for tag, entry in _entries(document):
        nouns.setdefault(tag, []).append(entry)
    parts = (f"<h2>{escape(tag)}</h2><dl>{''.join(entries)}</dl>" for tag, entries in nouns.items())
    return f'<!doctype html><html lang="en">{head}<style>{_STYLE}</style>{about}{"".join(parts)}</html>'


def _entries(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each route under its noun."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = escape(operation.get("description") or operation["summary"])
            tag = (operation.get("tags") or ["others"])[0]
            yield tag, f"<dt><b>{method.upper()}</b> {escape(path)}</dt><dd>{text}</dd>"
