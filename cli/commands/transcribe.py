"""Transcribe a recording to text or subtitles."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options
from cli.app import command
from cli.client import Client, connect
from cli.follow import follow, show_end
from cli.output import Json, emit
from cli.terminal import remark, speech
from cli.wishes import Wishes
from shared.errors import InvalidInput, NotFound
from shared.vocabulary import Capability, JobState

app = command()


class Form(StrEnum):
    """What is written."""

    TEXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    VERBOSE_JSON = "verbose_json"


@app.command()
def transcribe(
    recording: Annotated[Path, typer.Argument(metavar="FILE", help="Any audio or video file.")],
    form: Annotated[Form, typer.Option("--format", "-f", help="What to write.")] = Form.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; default: standard output.")] = None,
    model: Annotated[str | None, typer.Option(help="The speech model; default: the only or smallest one.")] = None,
    language: Annotated[str | None, typer.Option(help="What is spoken, as en or de; default: detected.")] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Into English.")] = False,
    host: options.Host = None,
    priority: options.PriorityOption = None,
    label: options.Labels = None,
    select: options.Select = None,
    tolerate: options.Tolerate = None,
    queue_by: options.QueueBy = None,
    not_before: options.NotBefore = None,
    deadline: options.Deadline = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Transcribe a recording and print its text, or write subtitles."""
    form_name = "text" if form is Form.TEXT else form.value
    wishes = Wishes(priority, label, select, tolerate, None, queue_by, not_before, deadline)
    if output is not None:
        _check(output)
    with connect() as client:
        params: dict[str, Any] = {
            "model": model or _speech_model(client),
            "file": client.upload(recording, "audio")["id"],
            "formats": [form_name],
            "task": "translate" if translate else "transcribe",
        }
        params |= {name: value for name, value in {"language": language, "host": host}.items() if value}
        job = client.post("/v1/jobs", {"kind": "transcription", "params": params, **wishes.fields()})
        followed = follow(client, [job["id"]], timeout=timeout, quiet=as_json, speak=False)
        job = followed.jobs.get(job["id"], job)
        if job["state"] == JobState.SUCCEEDED and (output is not None or not as_json):
            _write(client, job["result"]["files"][form_name], output)
    if as_json:
        emit(job)
    elif JobState(job["state"]).final:
        show_end(job)
    return followed.code


def _check(output: Path) -> None:
    """Before anybody works for it. Raises InvalidInput for what cannot be written."""
    if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
        why = "it is a folder" if output.is_dir() else "it, or its folder, is not there or not yours to write"
        raise InvalidInput(f"{output} cannot be written", why, "name another file with -o")


def _write(client: Client, file_id: str, output: Path | None) -> None:
    content = client.download(file_id)
    if output is None:
        text = speech(content.decode())
        typer.echo(text, nl=not text.endswith("\n"))
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidInput(
            f"{output} cannot be written",
            (error.strerror or str(error)).lower(),
            f"what should be in it is kept: {client.url}/v1/files/{file_id}/content",
        ) from error
    remark(f"Written to {output}")


def _speech_model(client: Client) -> str:
    """The smallest installed model that transcribes. Raises NotFound."""
    models = [model for model in client.get("/v1/models", aliases=False)["data"] if _hears(model)]
    if not models:
        raise NotFound(
            "There is no speech model", "none in the catalog transcribes", "install one: cidermill models pull org/name"
        )
    return str(min(models, key=lambda model: model["size"])["id"])


def _hears(model: Json) -> bool:
    """The scripted echo model is no choice: it hears nothing."""
    return Capability.TRANSCRIBE in model["capabilities"] and bool(model["hosts"]) and model["format"] != "echo"
