"""What we compare with: the raw library we stand on, and a peer with the same promise, as users run them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from cli.embedded.valkey import EmbeddedValkey
from tests.waiting import eventually

_WORKER_THREADS = 8


def dramatiq_rate(messages: int) -> float:
    """No-op messages a second through Dramatiq's own Redis broker, one process, eight threads, its defaults."""
    with _valkey() as url:
        broker = RedisBroker(client=redis.Redis.from_url(url), middleware=[])
        left = threading.Semaphore(0)
        actor = dramatiq.actor(lambda: left.release(), actor_name="nothing", broker=broker)
        worker = dramatiq.Worker(broker, worker_threads=_WORKER_THREADS)
        worker.start()
        began = time.monotonic()
        for _ in range(messages):
            actor.send()
        for _ in range(messages):
            left.acquire()
        seconds = time.monotonic() - began
        worker.stop()
        broker.close()
        return messages / seconds


def celery_rate(tasks: int, database_url: str) -> float:
    """No-op tasks a second through Celery with Redis and a database result backend, two processes, acks late."""
    with _valkey() as url, tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PEER_BROKER": url, "PEER_RESULTS": database_url}
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tests.load.peer_celery", "worker", "-c", "2", "-l", "warning"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return _celery_tasks(tasks, environment, Path(folder))
        finally:
            worker.terminate()
            worker.wait(20)


def _celery_tasks(tasks: int, environment: dict[str, str], _: Path) -> float:
    os.environ |= {key: environment[key] for key in ("PEER_BROKER", "PEER_RESULTS")}
    from tests.load import peer_celery

    peer_celery.nothing.delay().get(timeout=60)
    began = time.monotonic()
    for _ in range(tasks):
        peer_celery.nothing.delay()
    eventually(lambda: peer_celery.finished() >= tasks + 1, 300.0)
    return tasks / (time.monotonic() - began)


@contextmanager
def _valkey() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedValkey(Path(folder))
        try:
            yield server.start()
        finally:
            server.stop()
