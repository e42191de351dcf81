"""What a chat shows: nothing is fetched for it, and no picture is so large that it fills an engine's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidParameters
from shared.picture_size import UnfitPicture
from shared.pictures import check_pictures
from shared.remote_parts import remote_parts


def check_parts(body: Mapping[str, Any]) -> None:
    """Images, sounds and films must come with the request, as `data:` URLs. Raises InvalidParameters.

    Of images the size must be known, and not too large.
    """
    for place, kind in remote_parts(body.get("messages")):
        raise InvalidParameters(
            f"The {kind} of message {place} is an address",
            "nothing is fetched for a request: who asks could reach what is not theirs",
            f"send it in the request: a data: URL in {kind}",
            field=f"messages.{place}.content",
        )
    try:
        check_pictures(body.get("messages"))
    except UnfitPicture as error:
        raise InvalidParameters("The request shows a picture that cannot be taken", error.why, error.fix) from error
