"""The front door served by uvicorn in a thread of the test's process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from api.app import create_app
from api.deps import FrontDoor
from api.patience import PatientProtocol
from shared.db import Database
from shared.settings import Settings
from shared.trust import trust


@dataclass
class Served:
    """A front door that answers at `url`."""

    app: FastAPI
    url: str
    client: httpx2.Client

    @property
    def parts(self) -> FrontDoor:
        parts: FrontDoor = self.app.state.door
        return parts

    @property
    def database(self) -> Database:
        return self.parts.database

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.client.get(path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return self.client.post(path, json=body, **more)

    def submit(self, prompt: str = "hello", **more: Any) -> str:
        """Queue an echo job and return its id."""
        answer = self.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": prompt}, **more})
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.open = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.open.set()

    async def shutdown(self, sockets: Any = None) -> None:
        self.config.app.state.door.feed.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)


@contextmanager
def serve(
    database: Database, home: Path, protocol: type[PatientProtocol] = PatientProtocol, **settings: Any
) -> Iterator[Served]:
    """Serve on a free port of loopback until the end of the block."""
    chosen = Settings(**{"home": home, "port": 0, **settings})
    app = create_app(chosen, database)
    config = uvicorn.Config(
        app,
        "127.0.0.1",
        0,
        http=protocol,
        log_config=None,
        lifespan="on",
        proxy_headers=False,
        ssl_certfile=chosen.tls_cert,
        ssl_keyfile=chosen.tls_key,
        # As in api.main: a client that says nothing for a while keeps its connection.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="front door")
    thread.start()
    assert server.open.wait(60), "the front door did not open"
    app.state.door.pulse.beat()
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"{'https' if config.is_ssl else 'http'}://127.0.0.1:{port}"
    try:
        with httpx2.Client(base_url=url, timeout=60, trust_env=False, verify=trust(chosen.trusted)) as client:
            yield Served(app, url, client)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the front door did not close"


@contextmanager
def no_jobs(door: Served) -> Iterator[None]:
    """The database fails whoever asks for a job."""
    with door.database.write() as session:
        session.execute(text("ALTER TABLE jobs RENAME TO away"))
    yield
    with door.database.write() as session:
        session.execute(text("ALTER TABLE away RENAME TO jobs"))
