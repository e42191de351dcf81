"""The name of the model in what engines say."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from api.gateway.names import Names

_SPACES = st.text(" \n\t", max_size=3)


@given(st.text(), st.text(), _SPACES, _SPACES, st.text())
def test_the_clients_name_is_put_wherever_the_engine_wrote_its_own(
    served: str, asked: str, before: str, after: str, content: str
) -> None:
    others = {"content": content, "said": json.dumps({"model": served})}
    said = f'{{"model"{before}:{after}{json.dumps(served)},{json.dumps(others)[1:]}'
    assert json.loads(Names(served, asked).restore(said.encode())) == {"model": asked, **others}


def test_the_name_of_another_model_stays() -> None:
    said = b'{"model":"other","choices":[]}'
    assert Names("m", "mine").restore(said) == said
