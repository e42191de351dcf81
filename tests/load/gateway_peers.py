"""Other gateways in front of the same engine: nginx where it is installed, LiteLLM's proxy where it can be.

They sleep while it is not their turn: what an idle one does in the background would be a cost of the others.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.clients.environments import python_with
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
#: Seconds to start: LiteLLM imports for a minute when the disk is cold and others use the processor.
_START = 240.0


@dataclass(frozen=True)
class Peer:
    """One that runs, asleep but for its turns."""

    url: str
    process: subprocess.Popen[bytes]

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._signal(signal.SIGCONT)
        yield
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        """For all of its processes, which are a group."""
        os.killpg(self.process.pid, number)


@contextmanager
def peers(folder: Path, engine: str) -> Iterator[dict[str, Peer]]:
    """By name, for the length of a block; each that is there has answered."""
    programs = {"nginx": shutil.which("nginx"), "litellm": _installed_litellm()}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(_PEERS[name](folder, program, engine))
            for name, program in programs.items()
            if program is not None
        }


def _installed_litellm() -> str | None:
    """In an environment of its own, built once; `None`, and why, where the registry cannot be reached."""
    try:
        return str(python_with("litellm[proxy]").parent / "litellm")
    except pytest.skip.Exception as reason:
        sys.stderr.write(f"without LiteLLM: {reason}\n")
        return None


@contextmanager
def _nginx(folder: Path, program: str, engine: str) -> Iterator[Peer]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, engine=engine.removeprefix("http://"), port=port))
    url = f"http://127.0.0.1:{port}"
    with _process([program, "-c", str(config)], f"{url}/health", folder / "nginx.log") as process:
        yield Peer(url, process)


@contextmanager
def _litellm(folder: Path, program: str, engine: str) -> Iterator[Peer]:
    port, config = free_port(), folder / "litellm.yaml"
    config.write_text(_LITELLM.format(engine=engine))
    url = f"http://127.0.0.1:{port}"
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, f"{url}/health/liveliness", folder / "litellm.log") as process:
        yield Peer(url, process)


@contextmanager
def _process(command: list[str], health: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs until the end of the block, which begins, with it asleep, once it has answered.

    Raises AssertionError with its last words.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | _OFFLINE, start_new_session=True
        )

    def answers() -> bool:
        assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')[-1000:]}"
        try:
            return httpx2.get(health, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        eventually(answers, _START, 0.2)
        os.killpg(process.pid, signal.SIGSTOP)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(30)


_PEERS = {"nginx": _nginx, "litellm": _litellm}
