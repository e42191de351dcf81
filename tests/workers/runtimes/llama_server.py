"""A `llama-server` for tests, in place of one that is on the PATH: it does what the file says that is its model."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from tests.workers.runtimes.scripted_llama import CHAT, Asked, Reply, ScriptedLlama

#: What the file may say, and what it does then.
LOADED, LOADING, BROKEN, STUBBORN, DYING = "loaded", "loading", "broken", "stubborn", "dying"
#: Seconds from its last connection to its end, when it dies of what it is asked.
_AGONY = 0.1


def script(folder: Path) -> Path:
    """The command."""
    path, root = folder / "llama-server", Path(__file__).parents[3]
    module = Path(__file__).stem
    lines = (f"#!{sys.executable}", "import sys", f"sys.path[:0] = [{str(root)!r}]")
    path.write_text("\n".join((*lines, f"from tests.workers.runtimes.{module} import main", "main(sys.argv)", "")))
    path.chmod(0o755)
    return path


def main(arguments: list[str]) -> None:
    model, port = (arguments[arguments.index(name) + 1] for name in ("--model", "--port"))
    if _says(model) == BROKEN:
        sys.exit("error loading model: tensor data is corrupted or incomplete")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if _says(model) == STUBBORN else lambda *_: sys.exit(7))

    def replies(asked: Asked) -> Reply | None:
        if asked.path == CHAT and _says(model) == DYING:
            threading.Timer(_AGONY, os._exit, (1,)).start()
            return Reply(status=None)
        return Reply(status=503) if asked.path == "/health" and _says(model) == LOADING else None

    with ScriptedLlama(port=int(port)) as server:
        server.replies = replies
        print("listening", flush=True)
        server.serve_forever()


def _says(model: str) -> str:
    return Path(model).read_text()
