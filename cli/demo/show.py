"""The demo from start to end: up, four acts, a table, down, and nothing left behind."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import typer

from cli.client import Client
from cli.demo import acts, home
from cli.demo.proof import prove
from cli.demo.report import show_report
from cli.output import Json
from cli.phrases import span
from cli.up.console import LogFile
from cli.up.stack import Stack
from shared.settings import load_settings

_NEXT = """
All of it was real, and all of it was checked. Now for your own:
  make up                                    start Cidermill for real; leave it running
  cidermill models pull org/name             install a model (another terminal; .venv/bin/cidermill)
  cidermill chat                             talk to it
  cidermill submit inference --model NAME --prompt 'Why is the sky blue?' --follow
  cidermill transcribe talk.m4a -f srt -o talk.srt
  cidermill --help                           everything else"""


def run_demo(folder: Path) -> None:
    """Show everything, each result proven. Raises NotProven or another CidermillError when something is not right."""
    started = time.monotonic()
    home.enter(folder)
    log = folder / "demo.log"
    typer.echo(f"The demo's folder is {folder}; what its processes say goes to {log}.")
    _act("Starting Valkey, a database, the front door, the scheduler and an agent")
    stack = Stack(load_settings(), LogFile(log))
    with stack.running():
        typer.echo(f"Up at {stack.url}")
        jobs = _play(stack)
        family = psutil.Process().children(recursive=True)
        _act("Stopping everything")
    left = [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    prove(not left, "no process is left behind", left)
    _act(f"What happened, in {span(time.monotonic() - started)}")
    show_report(jobs)
    typer.echo(_NEXT)


def _play(stack: Stack) -> list[Json]:
    client = Client(load_settings(url=stack.url))
    try:
        _act("Installing two real models: SmolLM2-135M for text, Whisper tiny.en for speech")
        jobs = acts.install(client)
        _act("A batch of 24 chats, 44 s of speech and a benchmark, queued at once")
        jobs += acts.queue(client)
        _act("A batch of 48 chats, whose worker is killed half-way")
        return jobs + acts.survive(client)
    finally:
        client.close()


def _act(title: str) -> None:
    typer.echo(f"\n== {title}")
