"""The prompt of a text completion: a text or token ids, alone or in a list.

mlx-lm knows texts only. Of a list of texts it makes a prompt of lists, at which the thread that generates dies.
Source: OpenAI's API reference, "Completions (legacy)".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard


def one_prompt(given: Any) -> str | list[int]:
    """The text, or the token ids. Raises ValueError for several prompts, and for what is none."""
    if _is_prompt(given):
        return given
    if given == []:
        raise ValueError("the prompt is empty, and there is nothing to go on with: give a text or token ids")
    if not isinstance(given, list) or not all(map(_is_prompt, given)):
        raise ValueError("the prompt is neither a text nor a list of token ids: give one of these")
    if len(given) > 1:
        raise ValueError(
            f"the request has {len(given)} prompts, and mlx-lm reads one: ask each by itself, or use a batch"
        )
    prompt: str | list[int] = given[0]
    return prompt


def check_known(tokens: Iterable[int], vocabulary: int, where: str) -> None:
    """Raises ValueError where the model has no such token: mlx-lm would read or write beyond its weights."""
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise ValueError(f"{where} has the token {token}, and the model knows 0 to {vocabulary - 1}: correct it")


def _is_prompt(given: Any) -> TypeGuard[str | list[int]]:
    """True and false are no tokens, though Python takes them for numbers. Of no text a model may make a token."""
    if isinstance(given, list):
        return bool(given) and all(type(token) is int for token in given)
    return isinstance(given, str)
