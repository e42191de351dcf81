"""The page of errors at the top of their module."""

from __future__ import annotations

import pytest

from shared import errors


def _kinds(kind: type[errors.CidermillError]) -> list[type[errors.CidermillError]]:
    return [
        kind,
        *(found for child in kind.__subclasses__() if child.__module__ == kind.__module__ for found in _kinds(child)),
    ]


@pytest.mark.parametrize("kind", _kinds(errors.CidermillError), ids=lambda kind: kind.__name__)
def test_every_error_is_drawn(kind: type[errors.CidermillError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
