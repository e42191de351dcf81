"""Leave to fetch one file of one model from one host: signed by the front door, checked by the host without asking it.

The key of the signature comes from the serving host's own token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Forbidden
from shared.token_digest import digest, key_for

#: Seconds a grant is good for: a transfer asks again when it is over.
LIFETIME = 3600.0
#: Seconds by which the clocks of two machines may differ.
_SKEW = 120.0
_PURPOSE = b"cidermill model grant v1"


class Grant(BaseModel):
    """Who may fetch what from whom until when."""

    model_config = ConfigDict(frozen=True)

    #: Digest of the model's manifest.
    model: str
    #: Checksum of the file, hex.
    sha256: str
    from_host: str
    to_host: str
    #: Seconds since 1970.
    expires: float


def secret(token_digest: str) -> bytes:
    """The key of one host's grants, from the SHA-256 of its token (hex)."""
    return key_for(_PURPOSE, token_digest)


def own_secret(token: str) -> bytes:
    """The same key, as the host itself finds it: from its token."""
    return secret(digest(token))


def sign(key: bytes, grant: Grant) -> str:
    """The grant as a bearer token."""
    body = _encode(grant.model_dump_json().encode())
    return f"{body}.{_encode(_mac(key, body))}"


def check(key: bytes, token: str, *, sha256: str, host: str, now: float) -> Grant:
    """What the token grants. Raises Forbidden unless it is ours, for this file of this host, and not over."""
    body, _, mac = token.partition(".")
    if not hmac.compare_digest(_decode(mac), _mac(key, body)):
        raise _refused("its signature is not the front door's")
    try:
        grant = Grant.model_validate_json(_decode(body))
    except ValidationError as error:
        raise _refused("it cannot be read") from error
    if not hmac.compare_digest(grant.sha256, sha256) or grant.from_host != host:
        raise _refused("it is for another file or another host")
    if grant.expires + _SKEW < now:
        raise _refused("its time is over, or the clocks of the two machines differ")
    return grant


def _mac(key: bytes, body: str) -> bytes:
    return hmac.new(key, body.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _refused(why: str) -> Forbidden:
    return Forbidden("The grant is not accepted", why, "ask the front door for a new one")
