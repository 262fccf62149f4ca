"""Artifact archives (gzip + tar) to files in memory, every cap enforced while inflating.

Not a general tar library: it takes the regular files of a Flux artifact and refuses what could surprise (links,
devices, names outside the portable set, duplicates). Invariant: no more than a chunk beyond a cap is ever inflated,
and nothing touches a disk.
"""

from __future__ import annotations

import posixpath
import re
import tarfile

from reconciler.compute.sizes import human_bytes
from reconciler.compute.tarstream import ArchiveLimits, Inflated, entries, padded, shown, too_large
from reconciler.errors import OperationError

__all__ = ["ArchiveLimits", "extract"]

#: POSIX portable file names (IEEE 1003.1, 3.265) plus the separator.
_PORTABLE = re.compile(r"[A-Za-z0-9._/-]+")
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


def extract(data: bytes, *, limits: ArchiveLimits | None = None) -> dict[str, bytes]:
    """The archive's regular files by cleaned name. Directories and entries below a dotfile name are left out.

    Raises `OperationError`: `ArchiveInvalid`, `ArchiveTooLarge`, `ArchiveEntryRefused` or `ArchiveDuplicateEntry`,
    none of them retryable, each naming the entry where there is one.
    """
    limits = limits or ArchiveLimits()
    stream = Inflated(data, limits=limits)
    files: dict[str, bytes] = {}
    total = 0
    for entry in entries(stream, limits):
        name = _accept(entry)
        if not name:
            stream.skip(padded(entry.size))
            continue
        _check_duplicate(name, files)
        total += entry.size
        _check_sizes(name, entry.size, total=total, limits=limits)
        files[name] = stream.read(padded(entry.size))[: entry.size]
    stream.drain()
    _check_prefixes(files)
    return files


def _accept(entry: tarfile.TarInfo) -> str:
    """The cleaned name of a file to extract, empty for an entry to leave out. Raises for one that is refused."""
    name = entry.name
    if "\0" in name or "\\" in name or name.startswith("/"):
        raise _refused(name, "its name is absolute, or holds a backslash or NUL")
    cleaned = posixpath.normpath(name) if name else "."
    segments = cleaned.split("/")
    if segments[0] == "..":
        raise _refused(name, "its name leads out of the archive")
    if entry.type == tarfile.DIRTYPE or any(segment.startswith(".") for segment in segments):
        return ""
    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise _refused(name, f"it is {_KINDS.get(entry.type, 'of an unknown type')}, and only regular files are taken")
    if not _PORTABLE.fullmatch(cleaned):
        raise _refused(name, "its name has characters other than A-Z, a-z, 0-9, '.', '_', '-' and '/'")
    return cleaned


def _check_duplicate(name: str, files: dict[str, bytes]) -> None:
    if name in files:
        raise OperationError(
            f"the archive has two entries named {name}: which one is meant is unclear; pack it again with one",
            reason="ArchiveDuplicateEntry",
            retryable=False,
            evidence={"entry": name},
        )


def _check_sizes(name: str, size: int, *, total: int, limits: ArchiveLimits) -> None:
    if size > limits.entry_bytes_max:
        raise too_large(f"its entry {name} has {human_bytes(size)}, more than {human_bytes(limits.entry_bytes_max)}")
    if total > limits.extracted_bytes_max:
        raise too_large(
            f"its files have more than {human_bytes(limits.extracted_bytes_max)} together, reached at {name}"
        )


def _check_prefixes(files: dict[str, bytes]) -> None:
    for name in files:
        parent = posixpath.dirname(name)
        while parent:
            if parent in files:
                raise _refused(name, f"{parent} is a file in the same archive, so it cannot be a directory too")
            parent = posixpath.dirname(parent)


def _refused(name: str, problem: str) -> OperationError:
    return OperationError(
        f"the archive's entry {shown(name)} is refused: {problem}; rename it or exclude it at the source",
        reason="ArchiveEntryRefused",
        retryable=False,
        evidence={"entry": shown(name)},
    )
