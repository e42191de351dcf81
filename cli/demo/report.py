"""The table at the end of the demo: what ran where, how long it waited and took, and what came of it."""

from __future__ import annotations

from cli.output import Column, Json, show_list
from cli.phrases import size, span


def show_report(jobs: list[Json]) -> None:
    """One line for each job, in the order they were done."""
    show_list(jobs, _COLUMNS, as_json=False, empty="")


def _where(job: Json) -> str:
    last = job["attempts"][-1]
    return f"{last['host']} {last['runtime']}"


def _waited(job: Json) -> str:
    """Until its first attempt ran."""
    first = next((attempt["started_at"] for attempt in job["attempts"] if attempt["started_at"]), None)
    return span(first - job["created_at"]) if first else ""


def _took(job: Json) -> str:
    """From its first attempt to its end."""
    first = next((attempt["started_at"] for attempt in job["attempts"] if attempt["started_at"]), None)
    return span(job["finished_at"] - first) if first else ""


def _came(job: Json) -> str:
    result = job["result"]
    match job["kind"]:
        case "download":
            return f"{', '.join(result['names'])}, {size(result['size'])}"
        case "inference":
            rate = f"{result['tokens_per_second']:.0f} tokens/s"
            return f"{result['succeeded']} answers, {result['completion_tokens']} tokens, {rate}"
        case "transcription":
            wrong = f"{result['word_error_rate']:.1%} wrong"
            return f"{result['words']} words, {wrong}, {result['rtfx']:.1f} × real time"
        case _:
            cell = result["cells"][0]
            decode = cell["overall"]["decode_tokens_per_second"]["median"]
            return f"{decode:.0f} tokens/s, loaded in {span(cell['load_seconds'])}, {size(cell['peak_bytes'])} at most"


_COLUMNS = (
    Column("JOB", lambda job: job["kind"]),
    Column("RAN ON", _where),
    Column("ATTEMPTS", lambda job: str(job["attempt"]), right=True),
    Column("WAITED", _waited, right=True),
    Column("TOOK", _took, right=True),
    Column("CAME TO", _came),
)
