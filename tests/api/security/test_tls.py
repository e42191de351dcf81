"""A front door with a certificate: who calls it by its name and trusts its authority comes in, and nobody else."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.client import connect
from shared.errors import ConfigError, Unavailable
from shared.settings import Settings
from shared.store.wire import Shelf
from tests.api.conftest import Opener
from tests.api.process import Process
from tests.api.served import Served
from tests.ports import own_port
from tests.waiting import eventually
from workers.frontdoor import FrontDoor

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_OURS = "IP:127.0.0.1,DNS:localhost"


@dataclass(frozen=True)
class Authority:
    """Vouches for certificates, which lie in its folder."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def __post_init__(self) -> None:
        self._openssl("req", "-x509", *_CURVE, "-subj", "/CN=Authority", "-keyout", "ca.key", "-out", "ca.pem")

    def vouch(self, name: str, names: str = _OURS, days: int = 9) -> dict[str, Path]:
        """Settings of a front door with a new certificate for these names."""
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        self._openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "asked")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "names"]
        self._openssl("x509", "-req", "-in", "asked", *signing, "-out", f"{name}.pem")
        return {"tls_cert": self.folder / f"{name}.pem", "tls_key": self.folder / f"{name}.key"}

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def door(open_door: Opener, authority: Authority) -> Served:
    """A front door with a certificate for its address."""
    return open_door(**authority.vouch("door"))


def _health(settings: Settings) -> str:
    """As the CLI asks for it."""
    with connect(settings) as client:
        return str(client.health()["status"])


def _elsewhere(door: Served, authority: Authority | None = None) -> Settings:
    """Of another machine, where the certificate is not at hand."""
    return Settings(url=door.url, home=door.parts.settings.home, ca_file=authority and authority.file)


def test_who_trusts_the_authority_comes_in(door: Served, authority: Authority) -> None:
    assert _health(_elsewhere(door, authority))
    token = door.post("/v1/hosts/join", {"name": "mini"}).json()["token"]
    agent = FrontDoor(door.url, SecretStr(token), authority.file)
    assert agent.shelf() == Shelf(models=[])
    agent.close()


def test_the_certificate_itself_is_trust_enough(door: Served) -> None:
    """So that nothing need be set on the front door's own machine, and a certificate can be of one's own making."""
    assert _health(_elsewhere(door).model_copy(update={"tls_cert": door.parts.settings.tls_cert}))


def test_who_does_not_trust_the_authority_says_nothing(door: Served, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="CIDERMILL_CA_FILE"):
        _health(_elsewhere(door))
    (tmp_path / "other").mkdir()
    agent = FrontDoor(door.url, SecretStr("ch_secret"), Authority(tmp_path / "other").file)
    with pytest.raises(Unavailable, match="not accepted"):
        agent.shelf()
    agent.close()


@pytest.mark.parametrize(
    ("more", "why"), [({"names": "DNS:other.example"}, "'127.0.0.1'"), ({"days": -1}, "expired")], ids=["name", "time"]
)
def test_a_certificate_for_another_name_or_time_is_none(
    open_door: Opener, authority: Authority, more: dict[str, Any], why: str
) -> None:
    door = open_door(**authority.vouch("door", **more))
    with pytest.raises(Unavailable, match=why):
        _health(_elsewhere(door, authority))


def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "none.pem", Path(__file__)):
        with pytest.raises(ConfigError, match=file.name):
            _health(Settings(home=tmp_path, ca_file=file))


def test_a_private_key_that_others_can_read_is_told(
    sqlite_template: Path, tmp_path: Path, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path / "home", port=own_port(), **authority.vouch("door"))
    assert settings.tls_key is not None
    settings.tls_key.chmod(0o640)
    settings.state_dir.mkdir(parents=True)
    shutil.copyfile(sqlite_template, settings.state_dir / "cidermill.db")
    with Process(settings) as process:
        eventually(lambda: process.answers("/health"), within=60)
    said = capfd.readouterr()
    assert "private key" in said.out + said.err
