"""Pictures for models that cannot see."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from sqlalchemy import func, select

from shared import catalog
from shared.protocol import InstallRecord
from shared.runtimes import RuntimeInfo
from shared.tables import Run
from shared.vocabulary import Capability, Format, Provider
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.handmade import png


def _asked(picture: bytes) -> dict[str, dict[str, Any]]:
    """The same in each dialect."""
    data = base64.b64encode(picture).decode()
    url = f"data:image/png;base64,{data}"
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {
        "/v1/chat/completions": {
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}],
        },
        "/v1/responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]},
        "/v1/messages": {
            "max_tokens": 8, "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}],
        },
        "/api/chat": {"messages": [{"role": "user", "content": "what?", "images": [data]}]},
        "/api/generate": {"prompt": "what?", "images": [data]},
    }  # fmt: skip


_ASKED = _asked(png())
_CHAT = _ASKED["/v1/chat/completions"]


def install(door: Served, name: str, *able: Capability) -> None:
    record = InstallRecord(
        provider=Provider.LOCAL, repo=f"/models/{name}.gguf", file=None, revision=None, name=name, format=Format.GGUF,
        path=f"/models/{name}.gguf", size=1000, capabilities=list(able),
    )  # fmt: skip
    with door.database.write() as session:
        catalog.register(session, "studio", [record])


@pytest.mark.parametrize("path", _ASKED)
@pytest.mark.parametrize("stream", [False, True])
def test_it_is_told_before_a_run_is_started(door: Served, fleet: Fleet, path: str, stream: bool) -> None:
    install(door, "blind", Capability.GENERATE)
    answer = door.post(path, {"model": "blind", "stream": stream, **_ASKED[path]})
    assert answer.status_code == 400, answer.text
    assert "blind cannot see, and the request shows a picture" in answer.text
    with door.database.read() as session:
        assert session.scalar(select(func.count(Run.id))) == 0


@pytest.mark.parametrize("messages", [["x"], "x", _CHAT["messages"], [{"content": ["x"]}]])
@pytest.mark.parametrize("body", [{"prompt": "x"}, {"input": "x"}])
def test_only_chats_show_pictures(door: Served, fleet: Fleet, body: dict[str, Any], messages: Any) -> None:
    install(door, "blind", Capability.GENERATE, Capability.EMBED)
    path = "/v1/completions" if "prompt" in body else "/v1/embeddings"
    answer = door.post(path, {"model": "blind", "messages": messages, **body})
    assert answer.status_code != 500, answer.text
    assert "cannot see" not in answer.text


def test_a_job_is_told_when_it_is_submitted(door: Served, fleet: Fleet) -> None:
    install(door, "blind", Capability.GENERATE)
    install(door, "sees", Capability.GENERATE, Capability.VISION)
    for model in ("blind", "sees"):
        params = {"model": model, "requests": [{"messages": [{"role": "user", "content": "hi"}]}, _CHAT]}
        answer = door.post("/v1/jobs", {"kind": "inference", "params": params})
        assert 400 <= answer.status_code < 500, "there is no host that runs it"
        assert ("cannot see" in answer.text) is (model == "blind"), answer.text


def test_a_model_that_sees_is_shown_it(door: Served, fleet: Fleet) -> None:
    install(door, "sees", Capability.GENERATE, Capability.VISION)
    assert "cannot see" not in door.post("/v1/chat/completions", {"model": "sees", **_CHAT}).text


def test_a_run_that_is_asked_to_see_is_the_one_that_chats_use(door: Served, fleet: Fleet) -> None:
    llama = RuntimeInfo(name="llama-cpp", version="1", formats=(Format.GGUF,), capabilities=(Capability.GENERATE,))
    fleet.register(runtimes=[llama])
    install(door, "sees", Capability.GENERATE, Capability.VISION)
    install(door, "blind", Capability.GENERATE)
    assert door.post("/v1/runs", {"model": "sees", "capability": "vision"}).json()["capability"] == "generate"
    refused = door.post("/v1/runs", {"model": "blind", "capability": "vision"})
    assert (refused.status_code, "cannot see" in refused.text) == (422, True)


@pytest.mark.parametrize("path", _ASKED)
@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (png()[:16] + struct.pack(">II", 12_000, 12_000), "12,000 x 12,000 pixels, and at most 36,000,000 are taken"),
        (b"8BPS\0\1" + bytes(40), "it is no PNG, JPEG, GIF, WebP or BMP"),
    ],
)
def test_what_would_fill_an_engine_s_memory_is_refused(
    door: Served, fleet: Fleet, path: str, picture: bytes, said: str
) -> None:
    answer = door.post(path, {"model": "echo", "stream": False, **_asked(picture)[path]})
    assert (answer.status_code, said in answer.text) == (400, True), answer.text
