"""A mistake of ours is an answer like any other: named, counted, to be read by pages, and the connection goes on."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.api.conftest import Opener
from tests.api.served import Served

_PAGE = {"Origin": "https://chat.example", "x-request-id": "mine"}


@pytest.fixture
def mistaken(open_door: Opener) -> Served:
    """A front door with a mistake at `/v1/mistake`."""
    door = open_door(cors_origins=["https://chat.example"])

    async def mistake() -> None:
        raise RuntimeError("never thought of")

    door.app.add_api_route("/v1/mistake", mistake)
    return door


def test_a_mistake_of_ours_has_the_headers_of_every_answer(mistaken: Served) -> None:
    answer = mistaken.get("/v1/mistake", headers=_PAGE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error"), answer.text
    assert "never thought of" not in answer.text
    assert answer.headers["x-request-id"] == answer.headers["request-id"] == "mine"
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"


def test_a_mistake_of_ours_is_counted(mistaken: Served) -> None:
    mistaken.get("/v1/mistake")
    line = 'cidermill_http_requests_total{method="GET",route="/v1/mistake",status="500"} 1.0'
    assert line in mistaken.get("/metrics").text.splitlines()


def test_the_connection_of_a_mistake_takes_more_requests(mistaken: Served) -> None:
    with closing(HTTPConnection(mistaken.url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", "/v1/mistake")
        answer = connection.getresponse()
        assert json.load(answer)["error"]["what"] == "The front door failed at this request"
        assert not answer.will_close
        kept = connection.sock
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        assert connection.sock is kept
