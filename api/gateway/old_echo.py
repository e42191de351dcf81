"""Prompts that text completions repeat before what the model says (`echo`): engines never do.

Source: OpenAI's API reference, "Completions (legacy)".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters


@dataclass(frozen=True, slots=True)
class Echo:
    """What comes before each choice; nothing when nobody asked for it."""

    prompts: tuple[str, ...] = ()
    #: Choices for each prompt.
    choices: int = 1

    def before(self, index: int) -> str:
        """What comes before the choice of that number."""
        place = index // self.choices
        return self.prompts[place] if place < len(self.prompts) else ""


NONE = Echo()


def echo_of(asked: Mapping[str, Any]) -> Echo:
    """Raises InvalidParameters where an engine would have to tell the prompt's own text or probabilities."""
    if not want(asked, "echo", bool):
        return NONE
    prompt = asked.get("prompt")
    prompts: list[Any] = prompt if isinstance(prompt, list) else [prompt]
    if not all(isinstance(each, str) for each in prompts):
        raise _impossible("the prompt is tokens, whose text is not known here", "give it as a text, or leave echo out")
    if asked.get("logprobs") is not None:
        raise _impossible("engines tell no probabilities of a prompt", "leave out logprobs, or echo")
    return Echo(tuple(prompts), want(asked, "n", int) or 1)


def _impossible(why: str, fix: str) -> InvalidParameters:
    return InvalidParameters("echo is not possible here", why, fix, field="echo")
