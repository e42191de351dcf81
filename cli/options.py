"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import typer

from shared.vocabulary import Priority


def finite(number: float | None) -> float | None:
    """For options that are numbers: `nan` and `inf` are read as some, and JSON has neither."""
    if number is not None and not isfinite(number):
        raise typer.BadParameter(f"{number} is no number to reckon with")
    return number


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line for lists.")]
Limit = Annotated[int, typer.Option(min=1, help="List at most so many, the newest first.")]
Timeout = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long (exit 6).")]
PriorityOption = Annotated[Priority | None, typer.Option(help="How urgent it is; default: normal.")]
Host = Annotated[str | None, typer.Option(help="Only this host; default: any that fits.")]
OnlyHost = Annotated[str | None, typer.Option(help="Only this host; default: all of them.")]
RuntimeOption = Annotated[str | None, typer.Option("--runtime", help="Only this runtime; default: any that can.")]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label; may be repeated.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not follow: print the job's id and return.")]
Select = Annotated[
    list[str] | None, typer.Option("--select", metavar="KEY=VALUE", help="Only hosts with this label; may be repeated.")
]
Tolerate = Annotated[
    list[str] | None, typer.Option("--tolerate", metavar="TAINT", help="Go to hosts with this taint too.")
]
Avoid = Annotated[str | None, typer.Option(metavar="LABEL", help="Keep off hosts with a job of the same value of it.")]
QueueBy = Annotated[
    str | None, typer.Option(metavar="LABEL", help="Take turns by this label, if it is set; default: by API key.")
]
NotBefore = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Not earlier: a time with its zone, or 2h from now.")
]
Deadline = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Fail unless begun by then: a time, or 2h from now.")
]
