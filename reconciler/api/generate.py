"""Writes, or compares, the files that are made from the types: `python -m reconciler.api.generate --write|--check`.

Not their content (`reconciler.api.crd`, `reconciler.api.reference`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reconciler.api import crd, reference


def files() -> dict[str, str]:
    """Text of every generated file, by its path in the repository."""
    manifests = {f"deploy/crds/{one.file_name}": crd.text(one) for one in crd.CRDS}
    return {**manifests, "docs/reference/api.md": reference.text()}


def stale(root: Path) -> list[str]:
    """Paths of generated files that are missing or differ from what the types say now."""
    return [
        path
        for path, text in files().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> None:
    """Write every generated file."""
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 where `--check` finds a file that is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m reconciler.api.generate", description="CRDs and the API reference")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files")
    mode.add_argument("--check", action="store_true", help="say which files are not up to date")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the repository (default: this one)")
    options = parser.parse_args(arguments)
    if options.write:
        write(options.root)
        return 0
    found = stale(options.root)
    for path in found:
        print(f"{path} does not match the types; run: make docs", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
