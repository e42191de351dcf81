"""mlx-lm reads one prompt a request, as a text or as token ids; whatever else comes, the run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.workers.runtimes.mlx_serving import mlx_serving
from workers.runtimes.boot.mlx_prompts import check_known, one_prompt

_CONTEXT = 512
#: The ids that the tokenizer of the random model has for "ab".
_AB = [64, 65]
_VOCABULARY = 258


@pytest.mark.parametrize("given", ["ab", _AB, ["ab"], [_AB], [0]])
def test_one_prompt_is_taken_in_each_form(given: Any) -> None:
    assert one_prompt(given) in ("ab", _AB, [0])


@pytest.mark.parametrize("given", [["ab", "cd"], [_AB, [5]], ["ab", _AB]])
def test_several_prompts_are_refused_with_a_way_out(given: Any) -> None:
    with pytest.raises(ValueError, match="has 2 prompts, and mlx-lm reads one: ask each by itself, or use a batch"):
        one_prompt(given)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        one_prompt([])


@pytest.mark.parametrize("given", ["", [""]])
def test_an_empty_text_is_the_tokenizers_to_judge(given: Any) -> None:
    assert one_prompt(given) == ""


@pytest.mark.parametrize(
    "given",
    [None, 7, 1.5, True, {"a": 1}, [None], [True], [1.5], [[]], ["ab", 5], [["ab"]], [[_AB]], [["a", "b"]]],
)
def test_what_is_no_prompt_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="neither a text nor a list of token ids"):
        one_prompt(given)


@pytest.mark.parametrize("token", [-1, _VOCABULARY, 10**30])
def test_a_token_that_the_model_has_not_is_refused(token: int) -> None:
    check_known([0, _VOCABULARY - 1], _VOCABULARY, "it")
    with pytest.raises(ValueError, match=f"the token {token}, and the model knows 0 to 257"):
        check_known([5, token], _VOCABULARY, "it")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """On a random model, in this process; what would end a run fails the test."""
    pytest.importorskip("mlx_lm")
    from workers.runtimes.boot import mlx_server

    with pytest.MonkeyPatch.context() as patched:
        # Or a failure would end the tests.
        patched.setattr(mlx_server.os, "_exit", lambda _: None)
        with mlx_serving(tmp_path_factory.mktemp("model"), _CONTEXT, 32, patched) as made:
            yield made


@pytest.mark.parametrize("alone", [{}, {"seed": 1}])
@pytest.mark.parametrize("prompt", [_AB, ["ab"], [_AB]])
def test_tokens_and_a_prompt_in_a_list_are_answered_as_the_text_is(server: Any, prompt: Any, alone: Any) -> None:
    status, said = ask(server, prompt, **alone)
    assert (status, said["usage"]["prompt_tokens"]) == (200, 2)
    assert said["choices"] == ask(server, "ab", **alone)[1]["choices"]


@pytest.mark.parametrize("alone", [{}, {"seed": 1}])
@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        (["ab", "cd"], "2 prompts"),
        ([_AB, [5]], "2 prompts"),
        ("", "no tokens"),
        ([], "empty"),
        ([[]], "neither"),
        ([""], "no tokens"),
        ([["a", "b"]], "neither"),
        (7, "neither"),
        ({"a": 1}, "neither"),
        (None, "neither"),
        ([_VOCABULARY], "the token 258"),
        ([5] * 600, "the prompt has 600 tokens"),
    ],
)
def test_what_is_not_one_prompt_is_answered_400_and_the_run_goes_on(
    server: Any, prompt: Any, why: str, alone: Any
) -> None:
    status, said = ask(server, prompt, **alone)
    assert status == 400
    assert why in said["error"]
    assert server.generator.is_healthy


@pytest.mark.parametrize("alone", [{}, {"seed": 1}])
def test_who_goes_on_with_just_what_was_said_is_answered_as_anyone(server: Any, alone: Any) -> None:
    begun = {"logit_bias": {"66": 100}} | alone
    assert ask(server, "ab", **begun)[1]["choices"][0]["text"] == "cccc"
    status, said = ask(server, "abcccc", **alone)
    server.generator.prompt_cache.trim_to(n_sequences=0)
    assert status == 200
    assert said["choices"] == ask(server, "abcccc", **alone)[1]["choices"]


@pytest.mark.parametrize("alone", [{}, {"seed": 1}])
@pytest.mark.parametrize("token", ["-1", str(_VOCABULARY), str(2**31), str(10**30), "x"])
def test_a_token_to_favour_that_the_model_has_not_is_refused(server: Any, token: str, alone: Any) -> None:
    status, said = ask(server, "ab", logit_bias={token: 1}, **alone)
    assert status == 400
    assert "logit_bias" in said["error"]
    assert server.generator.is_healthy


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("stop", wrong) for wrong in ([1], 5, [None], [[1]], True, "\ud800", ["\ud800"])),
        *(("temperature", wrong) for wrong in (10**40, -1, True, "hot", float("nan"), float("inf"))),
        *(("top_k", wrong) for wrong in (True, 2**63, -1, 1.5)),
        ("min_p", float("nan")),
        ("xtc_threshold", 0.6),
        *(("repetition_penalty", wrong) for wrong in (2**63 * 10**30, -1)),
        *(("presence_penalty", wrong) for wrong in (10**400, "x")),
        *((f"{name}_context_size", 2**63) for name in ("repetition", "presence", "frequency")),
        ("top_logprobs", True),
        ("seed", 10**30),
        *(("logit_bias", {"5": wrong}) for wrong in (None, [1], 10**400, True, "1")),
        ("stream_options", 5),
        ("chat_template_kwargs", {"chat_template": "{{ messages }}"}),
    ],
)
def test_a_field_that_would_end_the_run_is_answered_400(server: Any, field: str, wrong: Any) -> None:
    more: dict[str, Any] = {"temperature": 0.5, "presence_penalty": 1, "xtc_probability": 0.5}
    status, said = ask(server, "ab", **(more | {field: wrong}))
    assert (status, set(said)) == (400, {"error"})
    assert server.generator.is_healthy


@pytest.mark.parametrize("written", [b"\xff", b'{"prompt": "\xff"}', b"[" * 200_000, b'{"seed": ' + b"1" * 5000 + b"}"])
def test_what_is_no_json_is_answered_400(server: Any, written: bytes) -> None:
    status, said = send(server, "/v1/completions", written)
    assert (status, said["error"][:12]) == (400, "the request ")


@pytest.mark.parametrize(
    "more",
    [
        {"top_k": _VOCABULARY},
        {"top_k": 2**31 - 1, "temperature": 1.0},
        {"temperature": 0, "xtc_probability": 1, "stop": None, "max_completion_tokens": None},
        {"temperature": 2**63, "presence_penalty": 2**63},
        {"seed": -1},
        {"stop": ["", "xyz"]},
    ],
)
def test_what_clients_write_for_nothing_is_none(server: Any, more: dict[str, Any]) -> None:
    status, said = ask(server, "ab", **more)
    assert (status, said["usage"]["prompt_tokens"]) == (200, 2)
    assert server.generator.is_healthy


def test_a_chat_whose_template_says_nothing_is_refused(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = server.generator.model_provider.tokenizer
    monkeypatch.setattr(tokenizer, "apply_chat_template", lambda *_, **__: [])
    status, said = post(server, "/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]})
    assert (status, said["error"][:24]) == (400, "the prompt has no tokens")


def ask(server: Any, prompt: Any, **more: Any) -> tuple[int, Any]:
    """The likeliest four tokens after a prompt."""
    return post(server, "/v1/completions", {"prompt": prompt, "max_tokens": 4, "temperature": 0.0} | more)


def post(server: Any, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return send(server, path, json.dumps(body).encode())


def send(server: Any, path: str, written: bytes) -> tuple[int, Any]:
    client = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    client.request("POST", path, written, {"Content-Type": "application/json"})
    with client.getresponse() as response:
        return response.status, json.load(response)
