"""Last words of engines, as they were seen, and what they mean."""

from __future__ import annotations

import signal

import pytest

from shared.errors import revive
from workers.runtimes import discover
from workers.runtimes.boot.echo_script import METAL_OUT_OF_MEMORY

_SEEN = [
    ("llama-cpp", 1, "E llama_model_load: error loading model: unknown model architecture: 'x'", "unsupported_model"),
    ("llama-cpp", 1, "E gguf_init_from_reader: invalid magic characters: '????', expected 'GGUF'", "unsupported_model"),
    ("llama-cpp", 1, "E data is not within the file bounds, model is corrupted or incomplete", "unsupported_model"),
    ("llama-cpp", 1, "E alloc_buffer: failed to allocate buffer of size 4831\nE failed to load model", "out_of_memory"),
    ("llama-cpp", 1, "E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18998", "port_in_use"),
    ("mlx-lm", -6, METAL_OUT_OF_MEMORY, "out_of_memory"),
    ("mlx-lm", 1, "[metal::malloc] Attempting to allocate 9663676416 bytes which is greater than", "out_of_memory"),
    ("mlx-lm", 1, "ValueError: Model type foo_moe not supported.", "unsupported_model"),
    ("mlx-lm", 1, "OSError: [Errno 48] Address already in use", "port_in_use"),
    ("whisper", 1, "RuntimeError: Unable to open file 'model.bin' in model '/x'", "unsupported_model"),
    ("whisper", 1, "OSError: [Errno 98] Address already in use", "port_in_use"),
    ("whisper", -9, "", "run_died"),
    ("echo", 3, "something nobody has seen before", "run_died"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "exit_code", "tail", "code"), _SEEN)
def test_known_last_words_have_a_cause(engine: str, exit_code: int, tail: str, code: str) -> None:
    problem = discover()[engine].diagnose(exit_code, f"I loading\n{tail}\nI cleaning up")
    assert problem.code == code
    assert problem.what
    assert problem.why
    assert problem.fix
    assert revive(problem).problem == problem


def test_the_why_is_the_line_that_tells() -> None:
    tail = "first\nValueError: Model type foo not supported.\nlast"
    assert discover()["mlx-lm"].diagnose(1, tail).why == "ValueError: Model type foo not supported."


def test_a_signal_is_named() -> None:
    assert "SIGSEGV" in discover()["llama-cpp"].diagnose(-signal.SIGSEGV, "").why


def test_an_unknown_death_quotes_the_last_line() -> None:
    problem = discover()["llama-cpp"].diagnose(134, "one\nGGML_ASSERT(n_tokens > 0) failed\n\n")
    assert "exit code 134" in problem.why
    assert "GGML_ASSERT" in problem.why
