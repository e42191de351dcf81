"""A download as the lines of Ollama's pull."""

from __future__ import annotations

import pytest

from api.gateway.ollama.progress import glimpse
from shared.tables import Job
from shared.vocabulary import JobState


@pytest.mark.parametrize(("done", "told"), [(0, {}), (3, {"completed": 3}), (12, {"completed": 10})])
def test_a_line_says_what_has_come_once_something_has(done: int, told: dict[str, int]) -> None:
    job = Job(state=JobState.RUNNING, params={"model": "m"}, progress={"done": done, "total": 10})
    line = dict(glimpse(job).line)
    assert line.pop("status") == f"pulling {line.pop('digest').removeprefix('sha256:')[:12]}"
    assert line == {"total": 10} | told
