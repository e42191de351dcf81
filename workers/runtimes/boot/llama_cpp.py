"""llama.cpp's HTTP server with one model, behind our front: in this process, or as a `llama-server` beside it."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from workers.port import free_port
from workers.runtimes.boot import asgi, llama_child
from workers.runtimes.boot.guard import die_with_parent
from workers.runtimes.boot.inner_engine import InnerEngine
from workers.runtimes.boot.llama_child import ChildEngine
from workers.runtimes.boot.llama_front import LlamaFront

_CHECKPOINTS = 3


def server_arguments(options: dict[str, Any]) -> list[str]:
    """The options as llama-server's command line."""
    arguments: dict[str, Any] = {
        "--model": options["model"],
        "--alias": options["name"],
        "--host": "127.0.0.1",
        "--port": options["port"],
        "--parallel": options["slots"],
        "--ctx-size": options["slots"] * options["context"],
        "--cache-ram": 0,
        "--ctx-checkpoints": _CHECKPOINTS,
        "--fit": "off",
        "--threads": options["threads"],
        "--threads-batch": options["threads_batch"],
        "--batch-size": options["batch_size"],
        "--ubatch-size": options["ubatch_size"],
        "--flash-attn": options["flash_attention"],
        "--cache-type-k": options["cache_type_k"],
        "--cache-type-v": options["cache_type_v"],
        "--n-gpu-layers": options["gpu_layers"] if options["gpu_layers"] >= 0 else 999,
    }
    if options["chat_template"] is not None:
        arguments["--chat-template"] = options["chat_template"]
    if options["projector"] is not None:
        arguments["--mmproj"] = options["projector"]
    if options["image_max_tokens"] is not None:
        arguments["--image-max-tokens"] = options["image_max_tokens"]
    flags = ["--jinja", "--no-webui", "--metrics", *(["--embeddings"] if options["embedding"] else [])]
    if not options["map_weights"]:
        flags.append("--no-mmap")
    if options["projector"] is not None and options["gpu_layers"] == 0:
        flags.append("--no-mmproj-offload")
    return [str(part) for pair in arguments.items() for part in pair] + flags


def serve(options: dict[str, Any]) -> None:
    """Serve until a signal ends the process; it ends with code 1 when the model cannot be loaded, which is printed."""
    import xllamacpp

    listener, inner = asgi.bound(options["port"]), free_port()
    # It holds the interpreter while it loads: until then no signal would be heard, and no probe answered.
    _server = xllamacpp.Server(parameters(xllamacpp, options | {"port": inner}))
    asgi.serve_on(_front(options, InnerEngine(inner)), listener)


def serve_binary(options: dict[str, Any]) -> NoReturn:
    """The same with a `llama-server`, as which the process ends."""
    listener, inner = asgi.bound(options["port"]), free_port()
    command = [options["binary"], *server_arguments(options | {"port": inner})]
    llama_child.serve(command, inner, _front(options, ChildEngine(inner)), listener)


def _front(options: dict[str, Any], engine: InnerEngine) -> LlamaFront:
    sees = options["projector"] is not None
    return LlamaFront(engine, options["slots"], options["context"], options["prefill_step"], sees=sees)


def parameters(library: Any, options: dict[str, Any]) -> Any:
    """The options as `CommonParams` of `library`, which is xllamacpp."""
    params = library.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["name"]}
    params.port = options["port"]
    params.n_parallel = options["slots"]
    # Without a unified cache each slot has its own equal part, so that no request can crowd out another.
    params.n_ctx = options["slots"] * options["context"]
    params.kv_unified = False
    # The host-side prompt cache takes 8 GiB by default, outside of every estimate.
    params.cache_ram_mib = 0
    # Copies of windows and states, by default 32 of each slot, which grow to gigabytes: the end of a prompt takes two.
    params.n_ctx_checkpoints = _CHECKPOINTS
    if not options["map_weights"]:
        params.load_mode = library.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # It would shrink context or layers to fit; memory is decided by the scheduler alone.
    params.fit_params = False
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads_batch"]
    params.n_batch = options["batch_size"]
    params.n_ubatch = options["ubatch_size"]
    params.n_gpu_layers = options["gpu_layers"]
    params.flash_attn_type = getattr(library.llama_flash_attn_type, _FLASH_ATTENTION[options["flash_attention"]])
    params.cache_type_k = getattr(library.ggml_type, f"GGML_TYPE_{options['cache_type_k'].upper()}")
    params.cache_type_v = getattr(library.ggml_type, f"GGML_TYPE_{options['cache_type_v'].upper()}")
    if options["projector"] is not None:
        params.mmproj.path = options["projector"]
    params.mmproj_use_gpu = options["gpu_layers"] != 0
    params.image_max_tokens = options["image_max_tokens"] or -1
    # One picture, or one tile of it, is encoded at a time: more at once would need as much more memory.
    params.mtmd_batch_max_tokens = 1
    params.embedding = options["embedding"]
    params.warmup = True
    params.use_jinja = True
    params.endpoint_metrics = True
    params.ui = False
    if options["chat_template"] is not None:
        params.chat_template = options["chat_template"]
    return params


_FLASH_ATTENTION = {
    "auto": "LLAMA_FLASH_ATTN_TYPE_AUTO",
    "on": "LLAMA_FLASH_ATTN_TYPE_ENABLED",
    "off": "LLAMA_FLASH_ATTN_TYPE_DISABLED",
}


def main() -> None:
    options = json.loads(sys.argv[1])
    die_with_parent()
    (serve_binary if options["binary"] else serve)(options)


if __name__ == "__main__":
    main()
