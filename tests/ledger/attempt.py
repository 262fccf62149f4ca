"""Tries one thing on a ledger in a process of its own, where limits can be set:

`python -m tests.ledger.attempt append|read|blob LEDGER [--powerless] [--file-bytes-max N]`. Prints what came of it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
from contextlib import closing
from pathlib import Path

from ledger.audit import audit
from ledger.errors import LedgerError
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, append, draft


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("append", "read", "blob"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--powerless", action="store_true")
    parser.add_argument("--file-bytes-max", type=int, default=0)
    asked = parser.parse_args()
    if asked.powerless:
        drop_capabilities()
    try:
        print(read(asked.path) if asked.what == "read" else write(asked.path, asked.what, asked.file_bytes_max))
    except LedgerError as error:
        print(f"{type(error).__name__}: {error}")


def read(path: Path) -> str:
    with closing(SqliteReader(path)) as reader:
        return f"{audit(reader).verdict} {reader.head().number}"


def write(path: Path, what: str, file_bytes_max: int) -> str:
    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        if file_bytes_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, unlimited[1]))
        try:
            while True:
                if what == "blob":
                    log.blobs.put(os.urandom(300_000))
                else:
                    append(log, "a", draft("x" * 20_000))
                if not file_bytes_max:
                    return f"done {log.head().number}"
        finally:
            if file_bytes_max:
                resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
                append(log, "after", draft())
                log.blobs.put(os.urandom(300_000))


def drop_capabilities() -> None:
    """Make root subject to the permissions of files, as everybody is. See capset(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    main()
