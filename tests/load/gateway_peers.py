"""Other gateways in front of the same engine, where they are installed: nginx, and LiteLLM's proxy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.waiting import eventually
from workers.port import free_port

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log; worker_processes 1;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream engine {{ server {engine}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    location / {{ proxy_pass http://engine; }}
  }}
}}
"""
_LITELLM = """
model_list:
  - model_name: echo
    litellm_params: {{model: openai/echo, api_base: "{engine}/v1", api_key: none}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""
#: LiteLLM asks the web for the prices of models otherwise.
_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@contextmanager
def peers(folder: Path, engine: str) -> Iterator[dict[str, str]]:
    """Their URLs by name, for the length of a block."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(start(folder, engine)) for name, start in _PEERS.items() if shutil.which(name)}


@contextmanager
def _nginx(folder: Path, engine: str) -> Iterator[str]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, engine=engine.removeprefix("http://"), port=port))
    with _process(["nginx", "-c", str(config)], port, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _litellm(folder: Path, engine: str) -> Iterator[str]:
    port, config = free_port(), folder / "litellm.yaml"
    config.write_text(_LITELLM.format(engine=engine))
    with _process(["litellm", "--config", str(config), "--port", str(port)], port, folder / "litellm.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | _OFFLINE)
    try:
        eventually(lambda: _listens(port), 60, 0.2)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_PEERS = {"nginx": _nginx, "litellm": _litellm}
