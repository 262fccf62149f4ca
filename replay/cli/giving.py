"""What a user gives to a fork: fields, patches, folders and answers, read from the command line and from files.

Not their meaning for a run. Read in the parent: the child that forks opens no file.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.events import OUTCOMES
from reconciler.compute.yamldoc import YAMLProblem, documents
from replay.forking.changes import Given

#: As an artifact may have.
_BYTES_MAX = 64 * 1024 * 1024


def fields(words: Iterable[str]) -> tuple[tuple[str, Any], ...]:
    """`PATH=VALUE`; the value is YAML."""
    return tuple(_field(word) for word in words)


def _field(word: str) -> tuple[str, Any]:
    path, equals, text = word.partition("=")
    if not equals or not path:
        raise click.BadParameter(f"{word!r} is not PATH=VALUE, such as spec.timeout=30m", param_hint="--set")
    return path, _yaml(text, what=f"the value of {path}", hint="--set")


def patches(paths: Iterable[Path]) -> tuple[dict[str, Any], ...]:
    """JSON merge patches in files."""
    found = []
    for path in paths:
        value = _yaml(_read(path, "--patch").decode("utf-8", "replace"), what=str(path), hint="--patch")
        if not isinstance(value, dict):
            raise click.BadParameter(f"{path} is no mapping of fields (a merge patch)", param_hint="--patch")
        found.append(value)
    return tuple(found)


def artifacts(own: Path | None, sources: Iterable[str]) -> dict[str, bytes]:
    """Archives by stage: of the stage that failed, and of those that are named."""
    found = {"": archive(own, "--artifact")} if own is not None else {}
    for word in sources:
        stage, equals, path = word.partition("=")
        if not equals or not stage or not path:
            raise click.BadParameter(f"{word!r} is not STAGE=DIR", param_hint="--source")
        found[stage] = archive(Path(path), "--source")
    return found


def answers(words: Iterable[str]) -> tuple[Given, ...]:
    """`EVENT=FILE`; the file is JSON or YAML: `outcome`, and the fields of the answer."""
    return tuple(_answer(word) for word in words)


def _answer(word: str) -> Given:
    seq, equals, path = word.partition("=")
    if not equals or not seq.isdecimal():
        raise click.BadParameter(f"{word!r} is not EVENT=FILE, such as 12=answer.json", param_hint="--answer")
    text = _read(Path(path), "--answer").decode("utf-8", "replace")
    value = _yaml(text, what=path, hint="--answer")
    if not isinstance(value, dict):
        raise click.BadParameter(f"{path} is no mapping with outcome and the answer's fields", param_hint="--answer")
    outcome = value.pop("outcome", "ok")
    if outcome not in OUTCOMES:
        raise click.BadParameter(f"{path}: outcome is {outcome}, not one of {', '.join(sorted(OUTCOMES))}")
    value.pop("type", None)
    return Given(seq=int(seq), outcome=outcome, body=value)


def archive(path: Path, hint: str) -> bytes:
    """A folder as an artifact: the same files give the same bytes. A file is taken as the archive that it is."""
    if path.is_file():
        return _read(path, hint)
    if not path.is_dir():
        raise click.BadParameter(f"{path}: there is no such folder", param_hint=hint)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for file in sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink()):
            name = file.relative_to(path).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            data = _read(file, hint)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            if raw.tell() > _BYTES_MAX:
                raise click.BadParameter(f"{path} has more than {_BYTES_MAX} bytes", param_hint=hint)
    return gzip.compress(raw.getvalue(), mtime=0)


def _read(path: Path, hint: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror or error}", param_hint=hint) from error
    if len(data) > _BYTES_MAX:
        raise click.BadParameter(f"{path} has more than {_BYTES_MAX} bytes", param_hint=hint)
    return data


def _yaml(text: str, *, what: str, hint: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        pass
    try:
        found = [one.value for one in documents(text)]
    except YAMLProblem as problem:
        at = f"line {problem.line}, column {problem.column}"
        raise click.BadParameter(f"{what}, {at}: {problem.problem}", param_hint=hint) from problem
    if len(found) > 1:
        raise click.BadParameter(f"{what} has {len(found)} documents: give one", param_hint=hint)
    return found[0] if found else ""
