"""mlx-lm's HTTP server with one model, its wiring and its caches under our control."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

from workers.runtimes.boot.guard import die_with_parent


def server_arguments(options: dict[str, Any]) -> list[str]:
    """The options as `mlx_lm.server`'s command line."""
    arguments: dict[str, Any] = {
        "--model": options["model"],
        "--host": "127.0.0.1",
        "--port": options["port"],
        "--max-tokens": options["context"],
        "--decode-concurrency": options["slots"],
        "--prompt-concurrency": min(options["slots"], 8),
        "--prefill-step-size": options["prefill_step"],
        "--log-level": "WARNING",
        "--prompt-cache-size": options["slots"],
        "--prompt-cache-bytes": options["prompt_cache"],
    }
    if options["kv_bits"] is not None:
        arguments |= {"--kv-bits": options["kv_bits"], "--kv-group-size": options["kv_group_size"]}
        arguments["--quantized-kv-start"] = 0
    if options["chat_template"] is not None:
        arguments["--chat-template"] = options["chat_template"]
    return [str(part) for pair in arguments.items() for part in pair]


def serve(options: dict[str, Any]) -> None:
    """Serve until a signal ends the process. Raises OSError when the port is taken."""
    import mlx_lm.server as library

    from workers.runtimes.boot import mlx_server
    from workers.runtimes.boot.mlx_batches import Batches
    from workers.runtimes.boot.mlx_wiring import bound_memory, own_wiring

    own_wiring()
    bound_memory(options["memory_limit"], options["cache_limit"])
    library.ModelProvider = mlx_server.OneModel
    library.BatchGenerator = Batches
    library.run = partial(mlx_server.run, options["name"])
    sys.argv = ["mlx_lm.server", *server_arguments(options)]
    library.main()


def main() -> None:
    options = json.loads(sys.argv[1])
    die_with_parent()
    serve(options)


if __name__ == "__main__":
    main()
