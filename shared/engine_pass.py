"""Leave to ask one run of one host: signed by the front door, checked by the host's agent without asking it.

The key comes from the host's own token, as that of the grants for models does.
"""

from __future__ import annotations

import hashlib
import hmac

from shared.errors import Forbidden
from shared.token_digest import digest, key_for

#: The header in which an agent says why it does not let a request through.
REFUSED = "Cidermill-Refused"
#: Seconds a pass is good for; the front door writes one for each request.
LIFETIME = 60.0
#: Seconds by which the clocks of two machines may differ.
_SKEW = 120.0
_PURPOSE = b"cidermill engine pass v1"


def secret(token_digest: str) -> bytes:
    """The key of one host's passes, from the SHA-256 of its token (hex)."""
    return key_for(_PURPOSE, token_digest)


def own_secret(token: str) -> bytes:
    """The same key, as the host itself finds it: from its token."""
    return secret(digest(token))


def sign(key: bytes, run_id: str, generation: int, now: float) -> str:
    """A bearer token for this load of this run: `<expires>.<mac>`, where `expires` is in seconds since 1970."""
    expires = str(int(now + LIFETIME))
    return f"{expires}.{_mac(key, run_id, generation, expires)}"


def check(key: bytes, token: str, run_id: str, generation: int, now: float) -> None:
    """Raises Forbidden unless the pass is ours, for this load of this run, and not over."""
    expires, _, mac = token.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, run_id, generation, expires).encode()):
        raise _refused("its signature is not the front door's, or it is for another run")
    # Only what the front door signed is read as a number.
    if int(expires) + _SKEW < now:
        raise _refused("its time is over, or the clocks of the two machines differ")


def _mac(key: bytes, run_id: str, generation: int, expires: str) -> str:
    return hmac.new(key, f"{run_id}/{generation}/{expires}".encode(), hashlib.sha256).hexdigest()


def _refused(why: str) -> Forbidden:
    return Forbidden("The pass to the run is not accepted", why, "ask the front door again")
