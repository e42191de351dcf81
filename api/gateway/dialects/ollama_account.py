"""Who is signed in to Ollama's cloud: nobody, for there is none here.

Source: Ollama's `server/routes.go`, of a server whose owner has not signed in.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.deps import Reader

router = APIRouter(tags=["ollama"])


@router.post("/api/me", response_class=JSONResponse, status_code=401)
def me(caller: Reader) -> JSONResponse:
    """Always a 401: nobody signs in to Ollama's cloud here, so no address to do that is told."""
    return JSONResponse({"error": "unauthorized"}, 401)


@router.post("/api/signout", response_class=JSONResponse, status_code=401)
@router.delete("/api/user/keys/{key}", response_class=JSONResponse, include_in_schema=False)
def sign_out(caller: Reader) -> JSONResponse:
    """Always a 401, as for everybody who is not signed in."""
    return JSONResponse({"error": "you are not currently signed in"}, 401)
