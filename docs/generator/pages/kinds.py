"""`kinds.md`: every kind of job with its parameters."""

from __future__ import annotations

import json
from typing import Any

from docs.generator.markdown import sentences
from docs.generator.models import field_table, inner_models
from shared.kinds import kinds
from shared.kinds.contract import Kind

#: A job of each kind as one would post it; a kind without one is shown without.
EXAMPLES: dict[str, dict[str, Any]] = {
    "benchmark": {"models": ["smollm2-135m-instruct"], "runtimes": ["llama-cpp"], "prompts": ["code"], "runs": 5},
    "download": {"model": "hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M"},
    "inference": {
        "model": "smollm2-135m-instruct",
        "requests": [
            {"messages": [{"role": "user", "content": "Name three rivers."}]},
            {"messages": [{"role": "user", "content": "Name three trees."}], "max_tokens": 64},
        ],
        "defaults": {"temperature": 0},
    },
    "transcriptions": {"model": "whisper-tiny.en", "files": ["file_01k…", "file_01m…"], "wishes": [{"language": "en"}]},
    "transcription": {"model": "whisper-tiny.en", "file": "file_01k…", "formats": ["text", "srt"]},
}

_TOP = """\
# Kinds of jobs

For whoever submits jobs: what each kind takes. A job is posted to `/v1/jobs` as `{"kind": …, "params": {…}}`, or
submitted with `cidermill submit KIND -p name=value`. A parameter that a kind does not have is refused, and so is a
model that no host could ever hold.
"""


def page() -> str:
    known = kinds()
    parts = [_TOP, *(_section(name, kind) for name, kind in known.items()), "## Parts\n"]
    inner = dict.fromkeys(part for kind in known.values() for part in inner_models(kind))
    parts += [f"### {part.__name__}\n\n{sentences(part)}\n\n{field_table(part)}\n" for part in inner]
    return "\n".join(parts)


def _section(name: str, kind: type[Kind]) -> str:
    block = f"\n```json\n{_shown(name, EXAMPLES[name])}\n```\n" if name in EXAMPLES else ""
    said = f"{kind.about} {sentences(kind)} Up to {kind.max_failures} failures before it fails for good."
    return f"## {name}\n\n{said}\n\n{field_table(kind)}\n{block}"


def _shown(kind: str, params: dict[str, Any]) -> str:
    """The job as JSON, one parameter a line."""
    lines = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in params.items()
    )
    return f'{{\n  "kind": "{kind}",\n  "params": {{\n{lines}\n  }}\n}}'
