"""The replay's error tree and the promised exit codes. Leaves are named by what the caller should do.

ReplayError
├── Unreadable     3: the file cannot be read, or is not what it says of itself
│   └── Invalid    3: a record in it is not the one that was written; names its position
├── Incomplete     4: what the replay needs was erased or left out
├── Incompatible   5: recorded by code that this version cannot follow
├── Escaped        6: something reached out of the isolation
├── Unusable       2: what was asked for makes no sense for this run
└── Withheld       1: an export was refused because it would have carried a secret
"""

from __future__ import annotations

from typing import ClassVar

REPRODUCED, DIVERGED, USAGE, UNREADABLE, INCOMPLETE, INCOMPATIBLE, ESCAPED = range(7)


class ReplayError(Exception):
    """Base of all errors of this package: one sentence, and the exit code of a command that ends with it."""

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, seq: int = 0) -> None:
        super().__init__(message)
        #: position in the ledger of the record that it is about; 0 where it is about none
        self.message, self.seq = message, seq


class Unreadable(ReplayError):
    exit_code = UNREADABLE


class Invalid(Unreadable):
    def __init__(self, why: str, *, seq: int) -> None:
        super().__init__(f"INVALID at position {seq}: {why}", seq=seq)
        self.why = why


class Incomplete(ReplayError):
    exit_code = INCOMPLETE


class Incompatible(ReplayError):
    exit_code = INCOMPATIBLE


class Escaped(ReplayError):
    exit_code = ESCAPED


class Unusable(ReplayError):
    exit_code = USAGE


class Withheld(ReplayError):
    exit_code = DIVERGED
