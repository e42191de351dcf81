"""The contract between a worker and an engine: what a runtime file must offer.

A runtime is one file in `workers/runtimes/`, found by import, that ends with `RUNTIME = <instance>`.
Values here cross process borders as JSON; nothing here imports an ML library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.errors import Problem
from shared.nesting import FlatObject
from shared.told import MOST_BYTES
from shared.units import Bytes
from shared.vocabulary import Capability, Format

#: Tokens of context that the database can count; no model has nearly as many.
MOST_CONTEXT = 2**31 - 1
#: Seconds of ten years: nobody means more, and clocks can still count it.
LONGEST_STAY = 315_360_000.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class VisionShape(_Frozen):
    """The encoder of pictures that lies beside a model, as its projector tells; counts are 0 when unknown."""

    hidden: int = 0
    feed_forward: int = 0
    #: Pixels of a patch's side.
    patch: int = 0
    #: Patches that are encoded at once, at most; as many as `merged` of them become one token.
    patches: int = 0
    merged: int = 1
    #: Pictures, or tiles of them, are made to be of one size.
    fixed: bool = True
    #: Where they are of any size: whether a run may limit their tokens, and how many llama.cpp is told when it does
    #: not; `None`: its own limit will do.
    limited: bool = True
    limit: int | None = None
    #: Patches look at their neighbours alone in some layers, which takes a mask of all patches by all.
    windowed: bool = False


class ModelShape(_Frozen):
    """What the memory estimate needs of an architecture; every count is per model, `None` when unknown."""

    architecture: str = ""
    layers: int | None = None
    #: Layers that keep a KV cache of the whole context (`layers` when they all do).
    attention_layers: int | None = None
    kv_heads: int | None = None
    #: One per layer when they differ, else empty.
    kv_heads_per_layer: tuple[int, ...] = ()
    key_dim: int | None = None
    value_dim: int | None = None
    #: Sliding-window length in tokens and how many layers use it.
    window: int | None = None
    window_layers: int = 0
    vocabulary: int | None = None
    hidden: int | None = None
    #: Tokens the model was trained for.
    context: int | None = None
    #: Attention heads that ask; as many as `kv_heads` or a multiple.
    query_heads: int | None = None
    #: Elements of a query per head, where they are not `key_dim`: with latent attention keys are cached otherwise.
    query_dim: int | None = None
    #: Elements between the two halves of one feed-forward block, and how many blocks a token goes through.
    feed_forward: int | None = None
    experts: int = 1
    #: Elements that recurrent layers keep for each sequence, whatever its length: state, and inputs of convolutions.
    state: int = 0
    convolution: int = 0
    #: Elements that one token makes on its way through one recurrent layer.
    recurrent_width: int = 0
    #: Elements of one layer's state that is written anew for every token where no GPU kernel steps through a prompt.
    stepped_state: int = 0
    #: Bytes of an element the model computes with; MLX caches in the same.
    element: int = Field(default=2, ge=1, le=16)
    #: Layers of an encoder, and the positions of its output that every decoder layer keeps keys and values of.
    encoder_layers: int = 0
    encoder_context: int = 0
    #: It makes embeddings and nothing else, so that an input is worked through whole.
    embeds: bool = False
    #: It sees.
    vision: VisionShape | None = None


def _stay(seconds: float) -> float:
    """What is negative is for ever, what is longer than ten years is ten years."""
    return -1.0 if seconds < 0 else min(seconds, LONGEST_STAY)


class RunSpec(_Frozen):
    """How to load a model: chosen by a user or by defaults, the same for every runtime."""

    #: Tokens of context for each slot; `None` takes the runtime's default for the model.
    context: int | None = Field(default=None, ge=16, le=MOST_CONTEXT)
    #: Requests that run side by side; `None` takes the runtime's default.
    slots: int | None = Field(default=None, ge=1, le=1024)
    #: Seconds an idle run stays loaded; `-1` for ever.
    keep_alive: Annotated[float, Field(allow_inf_nan=False), AfterValidator(_stay)] = 300.0
    pinned: bool = False
    #: Handed to the engine as it is, by name; a runtime refuses names it does not know.
    params: FlatObject = {}


class RuntimeInfo(_Frozen):
    """What a host advertises for one runtime; the scheduler knows runtimes only as this."""

    name: str
    version: str
    formats: tuple[Format, ...]
    capabilities: tuple[Capability, ...]
    #: `True`: we start and stop its processes. `False`: we attach to a daemon.
    spawned: bool = True
    default_slots: int = Field(default=1, ge=1, le=1024)
    max_slots: int = Field(default=64, ge=1, le=1024)
    #: Tokens per slot when nobody asks; a model's own context caps it.
    default_context: int = Field(default=4096, ge=1, le=MOST_CONTEXT)
    #: Memory the engine takes before any weights, in bytes.
    base_memory: Bytes = Field(default=Bytes(0), ge=0, le=MOST_BYTES)
    #: It computes on a GPU that shares the host's memory (Metal).
    gpu: bool = False
    #: Jobs of this runtime that need no run (downloads) and may run side by side.
    lane_slots: int = Field(default=1, ge=1, le=1024)


class InstalledModel(_Frozen):
    """A model on this host's disk."""

    id: str
    name: str
    format: Format
    #: A file (GGUF) or a folder (safetensors, CTranslate2); `""` for the echo model.
    path: str
    size: Bytes
    context: int | None = None
    capabilities: tuple[Capability, ...] = ()
    shape: ModelShape = ModelShape()


class LaunchPlan(_Frozen):
    """A child process to start: nothing in it is interpreted by a shell.

    The command serves HTTP on `127.0.0.1:{port}`, ends by itself when its standard input closes,
    and answers `ready_path` with 200 once the model is loaded.
    """

    command: tuple[str, ...]
    environment: dict[str, str] = {}
    port: int
    ready_path: str = "/health"
    #: The model name to send in requests.
    served_name: str
    slots: int
    context: int
    ready_timeout: float = 600.0
    #: Bytes of weights that the engine would keep in wired memory; 0: it wires nothing by itself.
    weights: Bytes = Bytes(0)


class Endpoint(_Frozen):
    """Where a ready run answers; an OpenAI-compatible server on loopback of its host."""

    url: str
    served_name: str
    slots: int
    context: int


class Runtime(Protocol):
    """One engine. Pure description: starting, watching and ending the process is the worker's job."""

    name: str

    def probe(self) -> RuntimeInfo | None:
        """What is installed here, without importing it; `None` when it is not."""

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        """How to load `model`. Raises `UnsupportedModel` or `InvalidParameters` before anything starts."""

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        """Why the child died, typed, from its exit code (negative: signal) and its last lines."""


def served_model(model: InstalledModel) -> Path:
    """The model's path. Raises FileNotFoundError when it is gone."""
    path = Path(model.path)
    if not path.exists():
        raise FileNotFoundError(model.path)
    return path
