"""Settings: command line > `CIDERMILL_*` environment > `cidermill.toml` > defaults.

`cidermill.toml` is looked for in the current folder, then in `~/.config/cidermill/`. `CIDERMILL_HOME=DIR` puts state,
files and configuration under one folder, so that several Cidermills live on one machine.
"""

from __future__ import annotations

import os
import re
import socket
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from shared.errors import ConfigError
from shared.units import Bytes, parse_bytes

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Size = Annotated[Bytes, BeforeValidator(parse_bytes)]
#: Addresses that begin alike, or one, as `10.0.0.0/8`.
Network = Annotated[str, AfterValidator(lambda text: str(ip_network(text, strict=False)))]
#: A web page's: never `*`, for on an open loopback any page of the web could read everything then, nor `null`.
Origin = Annotated[str, StringConstraints(pattern=r"(?i)^[a-z][a-z0-9+.-]*://[^\s/?#@*]+$", to_lower=True)]
#: Letters of a name in the fleet, as in DNS.
_LONGEST_NAME = 63


def config_files() -> list[Path]:
    """Candidates, the strongest last (pydantic-settings lets later files win)."""
    home = os.environ.get("CIDERMILL_HOME")
    user = Path(home) / "cidermill.toml" if home else Path.home() / ".config" / "cidermill" / "cidermill.toml"
    return [user, Path("cidermill.toml")]


def _default_host_name(known: dict[str, Any]) -> str:
    """The name under which this machine has joined a fleet, else its own: networks rename a Mac as they like."""
    tokens = list((_state_dir(known.get("home")) / "agent").glob("*/token"))
    if len(tokens) == 1:
        return tokens[0].parent.name
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower())
    return name[:_LONGEST_NAME].strip("-") or "localhost"


def _state_dir(home: Path | None) -> Path:
    return home / "state" if home else Path.home() / ".local" / "state" / "cidermill"


class Settings(BaseSettings):
    """Every setting of every process; unknown ones are refused."""

    model_config = SettingsConfigDict(env_prefix="CIDERMILL_", extra="forbid", frozen=True, env_ignore_empty=True)

    home: Path | None = Field(default=None, description="One folder for state, files and configuration.")
    host: str = Field(default="127.0.0.1", description="Address the front door binds to.")
    port: int = Field(default=8400, ge=0, le=65535, description="Port of the front door; 0 picks a free one.")
    url: str | None = Field(default=None, description="The front door's address, for the CLI and agents.")
    api_key: SecretStr | None = Field(default=None, description="Key the CLI sends.")
    require_keys: bool | None = Field(
        default=None, description="Ask every caller for an API key; unset: off on loopback, on anywhere else."
    )
    database_url: SecretStr | None = Field(
        default=None, description="SQLAlchemy URL; unset: SQLite in the state folder."
    )
    redis_url: SecretStr | None = Field(default=None, description="Redis or Valkey; unset: the embedded one.")
    advertise_redis_url: SecretStr | None = Field(
        default=None, description="Redis as agents on other hosts reach it; unset: redis_url."
    )
    namespace: str = Field(default="cidermill", pattern=r"^[a-z0-9-]+$", description="Prefix of every Redis key.")
    files_url: str | None = Field(default=None, description="Where files go (fsspec URL); unset: a local folder.")
    upload_limit: Size = Field(default=Bytes(4 * 1024**3), description="Largest file the front door accepts.")
    batch_limit: int = Field(default=100_000, ge=1, description="Requests that a batch may have.")
    connections: int | None = Field(
        default=None,
        ge=1,
        description="Connections that the front door keeps open at once, as far as file descriptors go; unset: 2,000.",
    )

    cors_origins: list[Origin] = Field(
        default_factory=list, description="Web pages that may call the front door, as https://chat.example; none unset."
    )
    host_networks: list[Network] = Field(
        default_factory=list,
        description="Networks, as 10.0.0.0/8, in which hosts may have addresses beside the one they come from.",
    )
    trusted_proxies: list[Network] = Field(
        default_factory=list,
        description="Proxies before the front door, as 127.0.0.1, whose word for a client's address is taken.",
    )
    tls_cert: Path | None = Field(default=None, description="PEM file with the front door's certificate; unset: HTTP.")
    tls_key: Path | None = Field(default=None, description="PEM file with its private key, if not in tls_cert.")
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of certificates that vouch for the front door's, for the CLI and agents; unset: "
        "tls_cert, or the system's.",
    )

    default_model: str | None = Field(
        default=None, description="Name of the model that answers clients who name none, or `default`."
    )

    host_name: str = Field(
        default_factory=_default_host_name,
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="This host's name in the fleet.",
    )
    host_token: SecretStr | None = Field(default=None, description="Token of this host's agent.")
    memory: Size | None = Field(default=None, description="Bytes that runs on this host may hold; unset: measured.")
    memory_reserve: Size | None = Field(default=None, description="Memory kept for everything else; unset: by mode.")
    memory_mode: Literal["safe", "balanced", "aggressive"] = Field(
        default="balanced", description="How much memory is left to everything else on this host."
    )
    memory_script: Path | None = Field(
        default=None, description="A JSON file that says what memory this host has, for tests and demos."
    )
    runtimes: list[str] | None = Field(default=None, description="Runtimes this host offers; unset: all it has.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of this host.")
    peer_host: str | None = Field(
        default=None,
        description="Address from which this host serves its models to others; unset: loopback while the front door is "
        "on loopback, else this host's address towards it.",
    )
    peer_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port for that, and on which the front door reaches this host's runs; 0 picks a free one.",
    )
    share_models: bool = Field(default=True, description="Serve this host's models to other hosts of the fleet.")
    find_models: bool = Field(default=True, description="Look for models of other programs when the agent starts.")
    whisper_threads: int | None = Field(default=None, ge=1, description="CPU threads of a Whisper run.")
    llama_threads: int | None = Field(default=None, ge=1, description="CPU threads of a llama.cpp run.")
    powercap: Path = Field(
        default=Path("/sys/class/powercap"), description="Where Linux keeps this host's energy counters (RAPL)."
    )
    wired_memory: Literal["safe", "off", "weights", "full"] = Field(
        default="safe",
        description="What MLX runs may keep from being paged out: `safe`: weights over half of the memory; `full`: one "
        "run all that the GPU may.",
    )

    lease_seconds: float = Field(default=10.0, ge=1, description="How long an attempt lives without a sign of life.")
    sync_seconds: float = Field(default=2.0, gt=0, description="How often an agent reports.")
    tick_seconds: float = Field(default=1.0, gt=0, description="How often the scheduler looks at everything.")
    claim_seconds: float = Field(default=20.0, gt=0, description="How long an assignment waits for its worker.")
    leader_seconds: float = Field(default=10.0, gt=0, description="How long a scheduler leads without renewal.")
    max_crashes: int = Field(default=3, ge=1, description="Crashes after which a job fails as crash_loop.")
    retention_days: float = Field(
        default=30.0,
        gt=0,
        description="Days that finished jobs, with the files they made, runs, events and calls are kept.",
    )
    fetch_models: bool = Field(
        default=True, description="Download a model that work waits for to a host that has room for it."
    )
    download_rate: Size | None = Field(
        default=None, gt=0, description="Bytes per second that this host's downloads take together; unset: no limit."
    )
    fleet_download_rate: Size | None = Field(
        default=None,
        gt=0,
        description="Bytes per second that the downloads of all hosts take together; unset: no limit.",
    )
    drain_seconds: float = Field(default=20.0, ge=0, description="How long a stopping worker waits for its attempts.")

    log_content: bool = Field(
        default=False, description="Keep what clients ask models in the log of calls, and not only that they did."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["console", "json"] = Field(default="console", description="How log lines look.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_files())

    @cached_property
    def state_dir(self) -> Path:
        return _state_dir(self.home)

    @cached_property
    def data_dir(self) -> Path:
        return self.home / "data" if self.home else Path.home() / ".local" / "share" / "cidermill"

    @property
    def token_file(self) -> Path:
        """Where this host's agent keeps the token that lets it into a fleet."""
        return self.state_dir / "agent" / self.host_name / "token"

    @property
    def trusted(self) -> Path | None:
        """Certificates that vouch for the front door's; on its own machine that is at hand."""
        return self.ca_file or self.tls_cert

    @property
    def database(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.state_dir / 'cidermill.db'}"

    @property
    def files(self) -> str:
        return self.files_url or str(self.data_dir / "files")

    @property
    def front_door(self) -> str:
        """Where the front door answers, as this process should call it."""
        if self.url is not None:
            return self.url.rstrip("/")
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        scheme = "https" if self.tls_cert is not None else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    @property
    def keys_required(self) -> bool:
        return self.require_keys if self.require_keys is not None else self.host not in LOOPBACK


def load_settings(**overrides: object) -> Settings:
    """Settings with command-line values on top. Raises ConfigError that names the field and its source."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"The setting {name!r} is wrong",
            first["msg"],
            f"change CIDERMILL_{name.upper()}, cidermill.toml or the option; `cidermill config show` lists all",
        ) from error
    except ValueError as error:
        raise ConfigError("cidermill.toml cannot be read", str(error), "correct the file named above") from error
