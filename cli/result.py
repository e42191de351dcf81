"""The result of a job, as its kind is best read."""

from __future__ import annotations

import json
from collections.abc import Callable

import typer

from cli.output import Column, Json, show_facts, show_list
from cli.phrases import size, span
from cli.terminal import speech


def show_result(job: Json, *, spoken: bool = False) -> None:
    """Print what a job achieved; `spoken` says that its text has been shown already."""
    result = job.get("result")
    if result:
        _VIEWS.get(job["kind"], _facts)(result, spoken)


def _inference(result: Json, spoken: bool) -> None:
    if result.get("text") is not None:
        if not spoken:
            typer.echo(speech(result["text"]))
        return
    tokens = f"{result['completion_tokens']} written, {result['prompt_tokens']} read"
    facts = [
        ("items", f"{result['succeeded']} of {result['items']} succeeded"),
        ("tokens", tokens),
        ("speed", f"{result['tokens_per_second']:.1f} tokens/s"),
        ("energy", _energy(result)),
        ("output", result.get("output_file") or ""),
    ]
    show_facts(facts)


def _transcriptions(result: Json, _spoken: bool) -> None:
    facts = [
        ("recordings", f"{result['succeeded']} of {result['items']} heard"),
        ("audio", span(result["duration"])),
        ("speed", f"{result['rtfx']:.1f} seconds of audio a second"),
        ("energy", _energy(result)),
        ("output", result["output_file"]),
    ]
    show_facts(facts)


def _energy(result: Json) -> str:
    """Above idle; nothing where it was not measured."""
    return f"{result['joules']:.0f} J" if result.get("joules") is not None else ""


def _transcription(result: Json, spoken: bool) -> None:
    if result.get("text") is not None and not spoken:
        typer.echo(speech(result["text"].strip()))
    for name, file_id in result["files"].items():
        typer.echo(f"{name}: {file_id}", err=True)


def _benchmark(result: Json, _spoken: bool) -> None:
    columns = [
        Column("MODEL", lambda cell: cell["model"]),
        Column("RUNTIME", lambda cell: cell["runtime"]),
        Column("DECODE TOK/S", lambda cell: _figure(cell, "decode_tokens_per_second"), right=True),
        Column("PREFILL TOK/S", lambda cell: _figure(cell, "prefill_tokens_per_second"), right=True),
        Column("FIRST TOKEN", lambda cell: _figure(cell, "ttft_seconds", span), right=True),
        Column("LOAD", lambda cell: span(cell["load_seconds"]), right=True),
        Column("PEAK", lambda cell: size(cell["peak_bytes"]), right=True),
    ]
    show_list(result["cells"], columns, as_json=False, empty="No cell was measured.")


def _download(result: Json, _spoken: bool) -> None:
    facts = [
        ("name", ", ".join(result["names"])),
        ("from", result["model"]),
        ("revision", result["revision"] or ""),
        ("size", f"{size(result['size'])} in {result['files']} {'file' if result['files'] == 1 else 'files'}"),
    ]
    show_facts(facts)


def _facts(result: Json, _spoken: bool) -> None:
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))


def _figure(cell: Json, name: str, write: Callable[[float], str] = lambda value: f"{value:.1f}") -> str:
    """The median of a figure, or a dash where it was not measured."""
    figure = cell.get("overall", {}).get(name)
    return write(figure["median"]) if figure else "–"


_VIEWS: dict[str, Callable[[Json, bool], None]] = {
    "inference": _inference,
    "transcription": _transcription,
    "transcriptions": _transcriptions,
    "benchmark": _benchmark,
    "download": _download,
}
