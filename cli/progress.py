"""How far jobs are, on the terminal or as plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cli.output import Json
from cli.phrases import amount
from cli.terminal import remark, screen

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress(Protocol):
    """Shows jobs while they wait and run."""

    def update(self, job: Json) -> None:
        """What is known of a job now."""

    def line(self, text: str) -> None:
        """A line a job logged."""

    def close(self) -> None:
        """Nothing more is shown; may be called again."""


def progress_view(*, quiet: bool) -> Progress:
    """Bars on a terminal, a line per change elsewhere, nothing when it should be quiet."""
    if quiet:
        return Silence()
    return Bars() if screen().is_terminal else Lines()


def headline(job: Json) -> str:
    """What a job does or waits for, in a few words."""
    blocked = job.get("blocked_by") or {}
    if job["state"] == "queued":
        return f"waits: {blocked['sentence']}" if blocked.get("sentence") else "waits"
    words = [job["state"] if job["state"] != "running" else job.get("phase") or "running"]
    if job["attempt"] > 1:
        words.append(f"(attempt {job['attempt']})")
    return " ".join(words)


def measure(job: Json) -> str:
    """`3.1 MiB of 98.0 MiB, 12.0 MiB/s`; empty when nothing is known."""
    done = job.get("progress") or {}
    if not done:
        return ""
    unit = done.get("unit") or ""
    text = amount(done["done"], unit if done.get("total") is None else "bytes" if unit == "bytes" else "")
    if done.get("total") is not None:
        text += f" of {amount(done['total'], unit)}"
    return text + (f", {amount(done['rate'], unit)}/s" if done.get("rate") else "")


class Silence:
    """Shows nothing."""

    def update(self, job: Json) -> None: ...

    def line(self, text: str) -> None: ...

    def close(self) -> None: ...


class Lines:
    """A line whenever a job does something else: for logs, pipes and continuous integration."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def update(self, job: Json) -> None:
        now = headline(job)
        if self._said.get(job["id"]) != now:
            self._said[job["id"]] = now
            remark(f"{job['id']} {job['kind']}: {now}")

    def line(self, text: str) -> None:
        remark(text)

    def close(self) -> None: ...


class Bars:
    """A bar for each job."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        self._tasks: dict[str, TaskID] = {}
        self._rich = RichProgress(
            SpinnerColumn(),
            # A long reason for waiting is cut before it pushes the bar away.
            TextColumn("{task.fields[title]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[measure]}", markup=False),
            TimeElapsedColumn(),
            console=screen(),
            transient=True,
        )
        self._rich.start()

    def update(self, job: Json) -> None:
        done = job.get("progress") or {}
        if job["id"] not in self._tasks:
            self._tasks[job["id"]] = self._rich.add_task("", total=None, title="", measure="")
        self._rich.update(
            self._tasks[job["id"]],
            total=done.get("total"),
            completed=done.get("done") or 0,
            title=f"{job['kind']} {headline(job)}",
            measure=measure(job),
        )

    def line(self, text: str) -> None:
        self._rich.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        self._rich.stop()
