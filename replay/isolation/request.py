"""What a child with more to do than to decide again is asked, beside the bundle: one value, through an open file.

Not the doing. What is in it was made by the parent from the command line and the user's own files.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from replay.forking.changes import Changes


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done."""

    #: how to run kustomize, and which one it is; empty: there is none
    argv: tuple[str, ...] = ()
    tool: str = ""
    #: an empty folder for it
    folder: str
    until: int = 0
    #: what is to be different; None: the answers are computed again as they are
    changes: Changes | None = None


def write(request: Request, file: BinaryIO) -> None:
    file.write(msgspec.msgpack.encode(request))
    file.flush()
    file.seek(0)


def read(file: BinaryIO) -> Request:
    return msgspec.msgpack.decode(file.read(), type=Request)
