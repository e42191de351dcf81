"""The front door over HTTP, as commands call it: JSON in, JSON out, every failure a typed error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from cli.address import credentials, front_door
from cli.output import Json
from cli.problems import error_from, read_problem
from shared.errors import InvalidInput, Unavailable
from shared.settings import Settings, load_settings
from shared.trust import TRUST_IT, distrust, trust

_TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
_PAGE = 100


class Client:
    """A session with one front door. All paths start with `/`; all methods raise CidermillError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = front_door(settings)
        # Proxies of the environment are for the outside: a front door is on this machine or on the LAN.
        self._http = httpx2.Client(
            base_url=self.url,
            headers=credentials(settings),
            timeout=_TIMEOUT,
            trust_env=False,
            verify=trust(settings.trusted),
        )

    def get(self, path: str, **query: Any) -> Json:
        return self._ask("GET", path, params=_given(query))

    def health(self) -> Json:
        """How the front door and its parts are; answered also when it is down (503)."""
        return self._ask("GET", "/v1/health", accepted=(503,))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Json:
        """POST JSON; `key` is the Idempotency-Key."""
        return self._ask("POST", path, json=body or {}, headers={"Idempotency-Key": key} if key else {})

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        return self._ask("PUT", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> Json:
        return self._ask("DELETE", path)

    def every(self, path: str, limit: int | None = None, **query: Any) -> Iterator[Json]:
        """All objects of a list, page by page, at most `limit`."""
        left, after = limit, None
        while left is None or left > 0:
            page = self.get(path, after=after, limit=min(_PAGE, left or _PAGE), **query)
            yield from page["data"]
            if not page.get("has_more"):
                return
            after = page["last_id"]
            left = None if left is None else left - len(page["data"])

    def upload(self, path: Path, purpose: str) -> Json:
        """Store a local file; its bytes are streamed."""
        try:
            with path.open("rb") as content:
                return self._ask(
                    "POST", "/v1/files", data={"purpose": purpose}, files={"file": (path.name, content)}, timeout=None
                )
        except OSError as error:
            raise InvalidInput(
                f"{path} cannot be read", (error.strerror or str(error)).lower(), "name a file that exists here"
            ) from error

    def download(self, file_id: str) -> bytes:
        """The whole content of a stored file."""
        with self.open("GET", f"/v1/files/{file_id}/content") as answer:
            return answer.read()

    @contextmanager
    def open(self, method: str, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """An answer whose body is still to be read; `options` as httpx2 takes them."""
        try:
            with self._http.stream(method, path, follow_redirects=True, **options) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                yield answer
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, *, accepted: Sequence[int] = (), **options: Any) -> Json:
        """The JSON of an answer; `accepted` are statuses of errors that are answers all the same."""
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error and answer.status_code not in accepted:
            raise _refused(answer)
        body: Json = answer.json()
        return body

    def _unreachable(self, error: httpx2.TransportError) -> Unavailable:
        if (why := distrust(error)) is not None:
            return Unavailable(f"What answers at {self.url} may not be the front door", why, TRUST_IT)
        return Unavailable(
            f"The front door at {self.url} does not answer",
            f"{type(error).__name__}: {error}".rstrip(": "),
            "start it with `cidermill up`, or say where it is: cidermill --url http://host:8400 …",
        )


@contextmanager
def connect(settings: Settings | None = None) -> Iterator[Client]:
    """A client of the front door that the settings name."""
    client = Client(settings or load_settings())
    try:
        yield client
    finally:
        client.close()


def _refused(answer: httpx2.Response) -> Exception:
    try:
        body = answer.json()
    except json.JSONDecodeError:
        body = answer.text
    return error_from(read_problem(body, answer.status_code), answer.status_code)


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
