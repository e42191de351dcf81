"""Chat with a model: interactively, or one prompt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.app import command
from cli.chat import Chat
from cli.client import Client, connect
from cli.exits import Exit
from cli.terminal import interactive, remark, speech
from shared.errors import CidermillError, NotFound
from shared.vocabulary import Capability

app = command()

_HELP = "/clear forgets what was said, /system TEXT says who the model is, /model NAME changes it, /quit ends."


@app.command()
def chat(
    prompt: Annotated[str | None, typer.Argument(help="One question; - reads it from stdin; none: you talk.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model; default: a ready one.")] = None,
    system: Annotated[str | None, typer.Option(help="Who the model is.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="How freely it chooses words.")] = None,
) -> int:
    """Chat with a model; answers are printed as they are written."""
    asked = sys.stdin.read() if prompt == "-" or (prompt is None and not interactive()) else prompt
    options = {"max_tokens": max_tokens, "temperature": temperature}
    with connect() as client:
        given = {name: value for name, value in options.items() if value is not None}
        talk = Chat(client, model or _some_model(client), system, given)
        if asked is not None:
            _answer(talk, asked)
            return Exit.OK
        return _converse(talk)


def _converse(talk: Chat) -> int:
    remark(f"{talk.model}. {_HELP}")
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            typer.echo()
            return Exit.OK
        if line == "/quit":
            return Exit.OK
        if line.startswith("/"):
            _obey(talk, line)
        elif line:
            _answer_or_explain(talk, line)


def _obey(talk: Chat, line: str) -> None:
    word, _, text = line.partition(" ")
    if word == "/clear":
        talk.clear()
        remark("Forgotten.")
    elif word == "/system":
        talk.system = text or None
        remark("So be it." if text else "No system text.")
    elif word == "/model" and text:
        talk.model = text
        remark(f"{text} answers from now on.")
    else:
        remark(_HELP)


def _answer_or_explain(talk: Chat, line: str) -> None:
    """A failed answer ends the answer and not the talk; so does Ctrl-C."""
    from cli.problems import show

    try:
        _answer(talk, line)
    except CidermillError as error:
        show(error.problem)
    except KeyboardInterrupt:
        remark("\nStopped.")


def _answer(talk: Chat, line: str) -> None:
    for piece in talk.ask(line):
        typer.echo(speech(piece), nl=False)
        sys.stdout.flush()
    typer.echo()


def _some_model(client: Client) -> str:
    """A model that generates, one that is loaded before others. Raises NotFound."""
    models = [
        model
        for model in client.get("/v1/models", aliases=False)["data"]
        if Capability.GENERATE in model["capabilities"] and model["format"] != "echo" and model["hosts"]
    ]
    if not models:
        raise NotFound(
            "There is no model to chat with", "none is installed", "install one: cidermill models pull org/name"
        )
    return str(max(models, key=lambda model: (bool(model["ready_on"]), model["last_used_at"] or 0.0))["id"])
