"""What is made of a key or token: its digest, which is all that is kept, and keys that both sides find by themselves.

One made from a host's token needs no storage and no exchange, differs from host to host, and ends when the host joins
anew.
"""

from __future__ import annotations

import hashlib
import hmac


def digest(token: str) -> str:
    """SHA-256, hex: what is kept of a key or token."""
    return hashlib.sha256(token.encode()).hexdigest()


def key_for(purpose: bytes, token_digest: str) -> bytes:
    """The host's key for one purpose, from the digest of its token."""
    return hmac.new(token_digest.encode(), purpose, hashlib.sha256).digest()
