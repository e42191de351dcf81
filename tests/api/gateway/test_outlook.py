"""What the gateway looks at again and again: only what there is."""

from __future__ import annotations

import time

from api.gateway.outlook import Wanted
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_NOBODY = Wanted("nobody", Capability.GENERATE)


def test_the_name_of_nothing_is_not_looked_for_again(door: Served, fleet: Fleet) -> None:
    outlook = door.app.state.seats._outlook
    asked = {"model": "nobody", "messages": [{"role": "user", "content": "hi"}]}
    assert door.post("/v1/chat/completions", asked).status_code == 404
    assert _NOBODY not in outlook._asked
    # As a model that was there when it was asked for, a while ago.
    outlook._asked[_NOBODY] = time.monotonic() + 1000
    eventually(lambda: _NOBODY not in outlook._asked)
