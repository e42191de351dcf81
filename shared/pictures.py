"""Pictures as requests bring them."""

from __future__ import annotations

#: Of one picture: an engine holds all of them at once, several bytes each, however small the file is.
MOST_PIXELS = 36_000_000
