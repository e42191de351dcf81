"""How long a client wants a file to be kept: OpenAI's `expires_after`, counted from when the file is made.

Source: OpenAI's API reference, "Files" and "Batch". In a form it is two fields with brackets in their names, as
OpenAI's clients write them, or one with JSON in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Form

from api.gateway.reading import need
from shared.errors import InvalidParameters

_ANCHOR = "created_at"
#: An hour and 30 days, in seconds.
LEAST, MOST = 3600, 2_592_000
_FIELD = "expires_after"
_FIX = f'give {{"anchor": "{_ANCHOR}", "seconds": {LEAST} to {MOST}}}'


def seconds_of(given: object, field: str) -> int | None:
    """The seconds of the field that is called so; `None` when nothing is asked. Raises InvalidParameters."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise InvalidParameters(f"{field} is wrong", "it is no object", _FIX, field=field)
    if (anchor := given.get("anchor")) != _ANCHOR:
        why = f"{anchor!r} is nothing to count from" if anchor is not None else "it says nothing to count from"
        raise InvalidParameters(f"{field}.anchor is wrong", why, _FIX, field=f"{field}.anchor")
    try:
        seconds = need(given, "seconds", int, "it says how long the file is kept")
    except InvalidParameters as error:
        raise InvalidParameters(
            f"{field}.{error.problem.what}", error.problem.why, _FIX, field=f"{field}.seconds"
        ) from error
    if not LEAST <= seconds <= MOST:
        why = f"it is {seconds}, and files are kept for an hour to 30 days, or until they are deleted"
        raise InvalidParameters(f"{field}.seconds is wrong", why, _FIX, field=f"{field}.seconds")
    return seconds


def _of_form(
    whole: Annotated[str | None, Form(alias=_FIELD, description="The two below as one JSON object.")] = None,
    anchor: Annotated[str | None, Form(alias=f"{_FIELD}[anchor]", description="`created_at`.")] = None,
    seconds: Annotated[str | None, Form(alias=f"{_FIELD}[seconds]", description=f"{LEAST} to {MOST}.")] = None,
) -> int | None:
    """Raises InvalidParameters."""
    if anchor is not None or seconds is not None:
        return seconds_of({"anchor": anchor, "seconds": _number(seconds)}, _FIELD)
    try:
        given: Any = json.loads(whole) if whole else None
    except (ValueError, RecursionError) as error:
        raise InvalidParameters(f"{_FIELD} is wrong", str(error), _FIX, field=_FIELD) from error
    return seconds_of(given, _FIELD)


def _number(text: str | None) -> int | str | None:
    """Of a form, where all is text; what is no number is refused as what it is."""
    plain = text is not None and text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if plain and text is not None else text


#: Seconds that an uploaded file is kept; `None`: until it is deleted.
Expiry = Annotated[int | None, Depends(_of_form)]
