"""How a run's process is told what it may wire; apart, so that an engine reads it without importing a worker."""

from __future__ import annotations

#: Bytes that the process may keep from being paged out; unset: none.
VARIABLE = "RUN_WIRED_BYTES"
