"""What is asked of other servers while somebody waits."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from shared.hub_places import AT_ONCE, place
from tests.api.served import Served
from tests.hub import Fault, running_hub


def test_slow_servers_keep_few_of_the_threads_that_all_are_answered_in(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub() as hub, ExitStack() as waiting:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        for _ in range(AT_ONCE):
            waiting.enter_context(place())
        for path in ("/v1/models/search?q=tiny", "/v1/models/fit?model=org/none"):
            refused = door.get(path)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "2"), refused.text
        waiting.close()
        assert door.get("/v1/models/fit?model=org/none").status_code == 404


@pytest.mark.parametrize("path", ["/v1/models/search?q=tiny", "/v1/models/fit?model=org/none"])
def test_the_pause_that_a_busy_hub_asks_for_is_told_in_whole_seconds(
    door: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.info_faults.append(Fault(status=429, headers={"Retry-After": "6.5"}))
        busy = door.get(path)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "7"), busy.text
