"""Who has the files that a host lacks: hosts of the fleet that serve them, each with a signed leave to fetch them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from shared.db import clock_time, now
from shared.settings import LOOPBACK
from shared.store import grant
from shared.store.grant import Grant
from shared.store.known import known
from shared.store.manifest import places
from shared.store.wire import HereFile, Peer, Sourced, SourcedFile, Sources, WantedFile
from shared.tables import Attempt, Host, Install, Model, is_live_attempt


def sources(session: Session, host: str, ask: Sources) -> Sourced:
    """For each wanted file that somebody has: its checksum and the hosts to fetch it from, the least loaded first.

    Of those that the asking host itself has under another name: where. Asked without files, what the catalog knows of
    models from there.
    """
    if not ask.files:
        return Sourced(models=known(session, ask))
    return Sourced(files=_elsewhere(session, host, ask), here=_here(session, host, ask))


def _here(session: Session, host: str, ask: Sources) -> list[HereFile]:
    """What of it lies on the asking host itself, whoever keeps it."""
    wanted = {file.sha256 for file in ask.files} - {None}
    found: dict[str, str] = {}
    for path, files in session.execute(select(Install.path, Install.files).where(Install.host == host)):
        there = places(path, [str(file["name"]) for file in files])
        found |= {
            str(file["sha256"]): str(there[str(file["name"])]) for file in _checked(files) if file["sha256"] in wanted
        }
    return [HereFile(sha256=sha256, path=path) for sha256, path in found.items()]


def _elsewhere(session: Session, host: str, ask: Sources) -> list[SourcedFile]:
    peers = _peers(session, host)
    held = _held(session, [peer.name for peer in peers], ask) if peers else []
    moment = clock_time(session)
    found = []
    for file in ask.files:
        there = [copy for copy in held if copy.is_of(file)]
        if there:
            sha256 = there[0].sha256
            offers = [
                _offer(peer, host, copy, moment)
                for peer in peers
                if (copy := next((one for one in there if one.host == peer.name and one.sha256 == sha256), None))
            ]
            found.append(SourcedFile(name=file.name, sha256=sha256, peers=offers))
    return found


class _Copy:
    """A file on a host's disk."""

    def __init__(self, host: str, digest: str, file: dict[str, Any], *, same_commit: bool) -> None:
        self.host, self.digest = host, digest
        self.name, self.size, self.sha256 = str(file["name"]), int(file["size"]), str(file["sha256"])
        self._same_commit = same_commit

    def is_of(self, wanted: WantedFile) -> bool:
        if wanted.sha256 is not None:
            return self.sha256 == wanted.sha256
        return self._same_commit and (self.name, self.size) == (wanted.name, wanted.size)


def _peers(session: Session, asking: str) -> list[Host]:
    """Hosts that live and serve models the asking one can reach, those with least to do first."""
    work = (
        select(func.count())
        .select_from(Attempt)
        .where(Attempt.host == Host.name, is_live_attempt)
        .correlate(Host)
        .scalar_subquery()
    )
    rows = session.scalars(
        select(Host)
        .where(Host.name != asking, Host.peer_url.is_not(None), Host.seen_until > now(session))
        .order_by(work, Host.name)
    )
    own = session.get(Host, asking)
    nearby = own is not None and _is_loopback(own.peer_url)
    return [host for host in rows if nearby or not _is_loopback(host.peer_url)]


def _held(session: Session, hosts: Sequence[str], ask: Sources) -> list[_Copy]:
    rows = session.execute(
        select(Install.host, Install.files, Model.digest, Model.revision, _is_same_repo(ask))
        .join(Model, Model.id == Install.model_id)
        .where(Install.host.in_(hosts), Model.digest.is_not(None))
    )
    return [
        _Copy(host, digest or "", file, same_commit=bool(same) and revision == ask.revision)
        for host, files, digest, revision, same in rows
        for file in _checked(files)
    ]


def _is_same_repo(ask: Sources) -> ColumnElement[bool]:
    return (Model.provider == ask.provider) & (Model.repo == ask.repo)


def _checked(files: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return (file for file in files if file.get("sha256"))


def _offer(peer: Host, to_host: str, copy: _Copy, moment: float) -> Peer:
    granted = Grant(
        model=copy.digest, sha256=copy.sha256, from_host=peer.name, to_host=to_host, expires=moment + grant.LIFETIME
    )
    return Peer(host=peer.name, url=peer.peer_url or "", grant=grant.sign(grant.secret(peer.token_digest), granted))


def _is_loopback(url: str | None) -> bool:
    """An address that only processes of its own machine can reach."""
    return url is not None and (urlsplit(url).hostname or "") in LOOPBACK
