"""Artifacts that spell Secrets out: file by file with stand-ins, packed again; in doubt left out whole.

Not the search of everything else: the values that were found are returned for it. Invariant: what stands for an
artifact has none of them, the same artifact gives the same bytes, and entries keep their order, names and kinds.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from typing import NamedTuple

from reconciler.compute.tarstream import ArchiveLimits, Inflated, entries, padded, shown
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError
from replay.bundle.secrecy import Search
from replay.bundle.spelled import SUSPICIOUS, Spelled, Taken, dumped

#: An artifact that inflates to more is not looked through.
_LIMITS = ArchiveLimits(inflated_bytes_max=128 * 1024 * 1024)
_MANIFEST = re.compile(r"\.(ya?ml|json)$|(^|/)kustomization$", re.IGNORECASE)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


class Looked(NamedTuple):
    """An artifact that was looked through."""

    #: a sentence why it is left out whole; empty where it, or what stands for it, may go
    why: str
    #: values that must not be anywhere else
    values: frozenset[str]
    #: all that may go, for the search
    text: str
    #: what stands for it; None where it may go as it is, or is left out
    derived: bytes | None = None
    #: files in it that are not what they were
    files: tuple[str, ...] = ()
    #: whether a Secret is generated of what was replaced
    generates: bool = False


class _Entry(NamedTuple):
    info: tarfile.TarInfo
    content: bytes


def looked(data: bytes) -> Looked:
    """Look through an artifact's files."""
    try:
        found = _entries(data)
    except OperationError as error:
        return Looked(f"it could not be looked through for secrets: {error.message}", frozenset(), "")
    spelled = Spelled()
    made = [_made(spelled, one) for one in found]
    made = [_as_taken(spelled, one, before) for one, before in zip(made, found, strict=True)]
    values = frozenset(spelled.values)
    if spelled.doubt:
        return Looked(spelled.doubt, values, "")
    changed = tuple(one.info.name for one, before in zip(made, found, strict=True) if one.content != before.content)
    if not changed:
        return Looked("", values, _text(found))
    search = Search(values)
    again = next((one for one in made if search.finds(_text([one]))), None)
    if again is not None:
        return Looked(f"{shown(again.info.name)} holds the value of a Secret that {spelled.why}", values, "")
    return Looked("", values, _text(made), _packed(made), changed, spelled.generates)


def _entries(data: bytes) -> list[_Entry]:
    stream = Inflated(data, limits=_LIMITS)
    found = [_Entry(info, stream.read(padded(info.size))[: info.size]) for info in entries(stream, _LIMITS)]
    stream.drain()
    return found


def _text(found: list[_Entry]) -> str:
    return "\n".join(f"{one.info.name}\n{one.content.decode('latin-1')}" for one in found)


def _made(spelled: Spelled, one: _Entry) -> _Entry:
    """A file with stand-ins for the Secrets in it."""
    name = one.info.name
    spelled.place, spelled.name = shown(name), name
    is_manifest = _MANIFEST.search(name) is not None
    try:
        text = one.content.decode()
    except UnicodeDecodeError:
        # Text in another encoding is read by some tools and not by us.
        if is_manifest:
            spelled.doubted("is not UTF-8")
        return one
    is_suspicious = SUSPICIOUS.search(text) is not None
    if not is_manifest and not is_suspicious:
        return one
    try:
        before = [document.value for document in documents(text)]
    except YAMLProblem:
        if is_suspicious:
            spelled.doubted("is no YAML and speaks of a Secret")
        return one
    after = [spelled.replaced(value) for value in before]
    return one if after == before else one._replace(content=dumped(after).encode())


def _as_taken(spelled: Spelled, one: _Entry, before: _Entry) -> _Entry:
    """A file as the generator or the patch reads it that takes it."""
    name = one.info.name.removeprefix("./")
    spelled.place, spelled.name = shown(one.info.name), one.info.name
    if Taken(name, "value") in spelled.taken:
        return one._replace(content=spelled.content(before.content))
    if Taken(name, "lines") in spelled.taken:
        return one._replace(content=spelled.lines(before.content))
    if Taken(name, "patch") in spelled.taken:
        return _patched(spelled, one, before)
    return one


def _patched(spelled: Spelled, one: _Entry, before: _Entry) -> _Entry:
    try:
        found = [document.value for document in documents(before.content.decode())]
    except (YAMLProblem, UnicodeDecodeError):
        spelled.doubted("is a patch that may be of a Secret, and no YAML")
        return one
    after = [spelled.patched(value) for value in found]
    return one if after == found else one._replace(content=dumped(after).encode())


def _packed(made: list[_Entry]) -> bytes:
    """The archive again: without times and owners, and not compressed, because the bundle is."""
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=0, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for one in made:
            info = tarfile.TarInfo(one.info.name)
            info.type, info.linkname = one.info.type, one.info.linkname
            is_plain = info.type in _PLAIN
            info.size = len(one.content) if is_plain else 0
            archive.addfile(info, io.BytesIO(one.content) if is_plain else None)
    return target.getvalue()
