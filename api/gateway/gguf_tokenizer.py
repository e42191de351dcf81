"""The tokenizer that a GGUF file carries, as the `tokenizers` library has it, for counting.

Sources: the keys `tokenizer.ggml.*` (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) and how llama.cpp cuts
text into words before it merges (src/llama-vocab.cpp, `regex_exprs`).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, TypeVar

from shared.gguf import MOST_ITEMS, read_header

Item = TypeVar("Item")

_KEY = "tokenizer.ggml."
#: Words as GPT-2 cuts them, and as nearly all models since GPT-4; the second with this many digits at once.
_OLD_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: By what a file says of itself (`pre`). Others differ little from the last of these, three digits at once.
_OLD = frozenset({"gpt-2", "mpt", "olmo", "jais", "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
_DIGIT_BY_DIGIT = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
_ONE_DIGIT = frozenset({"qwen2", "qwen35", "stablelm2", "hunyuan", "tekken", "seed-coder", "grok-2", "bailingmoe"})


def read(path: Path) -> Any:
    """A `tokenizers.Tokenizer`; `None` for a kind that is not known here.

    Raises ImportError without the library, OSError, and InvalidInput for a damaged file.
    """
    library = importlib.import_module("tokenizers")
    with path.open("rb") as file:
        metadata = read_header(file, keep=MOST_ITEMS).metadata
    words, merges = (_all(metadata.get(_KEY + name), str) for name in ("tokens", "merges"))
    scores, unknown = _all(metadata.get(_KEY + "scores"), float), metadata.get(_KEY + "unknown_token_id", 0)
    match metadata.get(_KEY + "model"):
        case "gpt2" if words:
            return _merging(library, words, merges, str(metadata.get(_KEY + "pre")))
        case "llama" if len(words) == len(scores) and isinstance(unknown, int) and 0 <= unknown < len(words):
            return _scored(library, words, scores, unknown)
    return None


def _all(array: Any, kind: type[Item]) -> tuple[Item, ...]:
    """The array, if it is one of these; else none of it."""
    whole = isinstance(array, tuple) and all(isinstance(item, kind) for item in array)
    return array if whole else ()


def _merging(library: Any, words: tuple[str, ...], merges: tuple[str, ...], pre: str) -> Any:
    """Byte pairs (BPE), merged within words."""
    numbers = {word: number for number, word in enumerate(words)}
    pairs = [pair for merge in merges if len(pair := tuple(merge.split(" ", 1))) == 2]
    tokenizer = library.Tokenizer(library.models.BPE(vocab=numbers, merges=pairs))
    cut, split = library.pre_tokenizers, library.Regex
    digits = [cut.Digits(individual_digits=True)] if pre in _DIGIT_BY_DIGIT else []
    pattern = _OLD_WORDS if pre in _OLD else _WORDS.replace("DIGITS", "1" if pre in _ONE_DIGIT else "3")
    tokenizer.pre_tokenizer = cut.Sequence(
        [*digits, cut.Split(split(pattern), "isolated"), cut.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return tokenizer


def _scored(library: Any, words: tuple[str, ...], scores: tuple[float, ...], unknown: int) -> Any:
    """SentencePiece: the best division by the words' scores, bytes for what has no word."""
    vocabulary = list(zip(words, scores, strict=True))
    tokenizer = library.Tokenizer(library.models.Unigram(vocabulary, unk_id=unknown, byte_fallback=True))
    normal = library.normalizers
    tokenizer.normalizer = normal.Sequence([normal.Prepend("▁"), normal.Replace(" ", "▁")])
    return tokenizer
