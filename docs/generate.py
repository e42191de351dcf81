"""Write the reference pages from the code: `make docs`. With `--check`, exit 1 when a page is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.generator import render

REFERENCE = Path(__file__).resolve().parent / "reference"


def stale() -> dict[Path, str]:
    """Pages whose file is not what the code says now, with what it should be."""
    pages = {REFERENCE / name: text for name, text in render().items()}
    return {path: text for path, text in pages.items() if not path.exists() or path.read_text() != text}


def main() -> int:
    parser = argparse.ArgumentParser(prog="docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    check = parser.parse_args().check
    found = stale()
    for path, text in found.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.name}\n")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
