"""The body of a request to mlx-lm: what its fields must be, or the thread that generates dies of them, and the run.

Source: `mlx_lm/server.py`, `sample_utils.py`, and what a run was seen to end at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.strict_json import strict_json

#: MLX counts places with so many bits.
_MOST_WHOLE = 2**31 - 1
#: The largest number that models reckon with.
_MOST = 3e38
_MOST_SEED = 2**64 - 1
#: Fields that are numbers, with their limits; what mlx-lm refuses by itself is left to it.
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, _MOST),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 0.5),
    "repetition_penalty": (0, _MOST),
    "presence_penalty": (-_MOST, _MOST),
    "frequency_penalty": (-_MOST, _MOST),
}
#: Those that are whole numbers.
_WHOLE: Mapping[str, tuple[int, int]] = {
    "top_k": (0, _MOST_WHOLE),
    "top_logprobs": (-1, 11),
    "repetition_context_size": (0, _MOST_WHOLE),
    "presence_context_size": (0, _MOST_WHOLE),
    "frequency_context_size": (0, _MOST_WHOLE),
    "max_tokens": (1, _MOST_SEED),
    "max_completion_tokens": (1, _MOST_SEED),
    "num_draft_tokens": (0, _MOST_WHOLE),
    "seed": (-_MOST_SEED, _MOST_SEED),
}
_OBJECTS = ("chat_template_kwargs", "logit_bias", "stream_options")
#: What the tokenizer would take for its own, and no template for a variable: another template can keep all waiting.
_NOT_THE_TEMPLATES = (
    "chat_template", "continue_final_message", "max_length", "padding", "return_assistant_tokens_mask", "return_dict",
    "return_tensors", "tokenizer_kwargs", "truncation",
)  # fmt: skip
#: What the request is about: mlx-lm says itself that it is missing.
_NEEDED = ("messages", "prompt")


def read_body(written: bytes) -> Any:
    """What mlx-lm can read without harm; fields that are null are left out. Raises ValueError."""
    try:
        said = strict_json(written)
        # Halves of characters are none to a tokenizer, and fail here.
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise ValueError("the request has half a character: send UTF-8 with whole ones") from error
    except RecursionError as error:
        raise ValueError("the request is nested too deep: send it with fewer lists in lists") from error
    except ValueError as error:
        raise ValueError(f"the request is not JSON ({error}): send an object with its fields") from error
    return _fitting(said) if isinstance(said, dict) else said


def _fitting(said: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in said.items() if value is not None or name in _NEEDED}
    for name in body.keys() & _NUMBERS.keys():
        body[name] = _number(name, body[name], *_NUMBERS[name])
    for name in body.keys() & _WHOLE.keys():
        _check_whole(name, body[name], *_WHOLE[name])
    _check_objects(body)
    if body.get("seed", 0) < 0:
        # For llama.cpp, and so for its clients, any seed will do then.
        del body["seed"]
    return body | _stops(body) | _told(body)


def _check_objects(body: Mapping[str, Any]) -> None:
    for name in body.keys() & set(_OBJECTS):
        if not isinstance(body[name], dict):
            raise ValueError(f"{name} is no object: give one, or leave it out")
    for token, bias in body.get("logit_bias", {}).items():
        _number(f"logit_bias.{token[:20]}", bias, -_MOST, _MOST)
    for name in _NOT_THE_TEMPLATES:
        if name in body.get("chat_template_kwargs", ()):
            raise ValueError(f"chat_template_kwargs.{name} is no variable of a chat template: leave it out")


def _number(name: str, value: Any, least: float, most: float) -> float:
    """As the kind that mlx-lm reckons with: it cannot make whole numbers of any size its own."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is wrong: give a number from {least} to {most}, or leave it out")
    return float(value)


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    """True and false are none, though Python takes them for numbers."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is wrong: give a whole number from {least} to {most}, or leave it out")


def _stops(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """An empty one would end every answer before it begins."""
    given = body.get("stop", [])
    stops = [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise ValueError("stop is neither a text nor a list of texts: give where answers shall end, or leave it out")
    return {"stop": [stop for stop in stops if stop]}


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """mlx-lm looks for the one option there is, and ends a stream without its last words where it is missing."""
    options = body.get("stream_options")
    return {} if options is None else {"stream_options": {"include_usage": False, **options}}
