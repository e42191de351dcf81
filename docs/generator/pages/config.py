"""`config.md`: every setting."""

from __future__ import annotations

import inspect

import shared.settings
from docs.generator.markdown import code, table
from docs.generator.models import default, type_name
from shared.settings import Settings

_TOP = """\
# Settings

For whoever runs Cidermill: every setting, the same for all its processes.

{intro}

`cidermill config show` prints each setting with its value and where it comes from, `cidermill config path` the files
and folders in use. A setting that Cidermill does not know is an error, and so is a value that makes no sense: both
name the setting and where it stands.

Sizes are bytes, or text such as `512MiB`, `12GiB` or `8GB`. Lists and objects are written as JSON in the environment
(`CIDERMILL_RUNTIMES='["llama-cpp","store"]'`) and as TOML in the file. Names in the file are those of the first
column:

```toml
port = 8400
memory = "12GiB"
runtimes = ["llama-cpp", "whisper", "store"]
```

{table}
"""

_FOLDERS = """\

## Folders

| what | where | with `CIDERMILL_HOME=DIR` |
|---|---|---|
| state: database, embedded Valkey, tokens, spool | `~/.local/state/cidermill` | `DIR/state` |
| data: uploaded and produced files, models from web addresses | `~/.local/share/cidermill` | `DIR/data` |
| settings, after `./cidermill.toml` | `~/.config/cidermill/cidermill.toml` | `DIR/cidermill.toml` |
| models from the Hugging Face hub | its own cache, shared with other tools | the same |

Where the Hugging Face cache is, which hub is asked and with which token is told by the hub's own variables:
`HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`. They count on the host that downloads.
"""


def page() -> str:
    intro = (inspect.getdoc(shared.settings) or "").partition(": ")[2]
    rows = [
        (code(name), _variable(name), type_name(info.annotation), default(info), info.description or "")
        for name, info in Settings.model_fields.items()
    ]
    head = ("setting", "environment", "type", "default", "meaning")
    return _TOP.format(intro=f"Strongest first: {intro}", table=table(head, rows)) + _FOLDERS


def _variable(name: str) -> str:
    return code(f"CIDERMILL_{name.upper()}")
