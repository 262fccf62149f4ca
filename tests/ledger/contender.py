"""A process that wants to write to a ledger that others want too: `python -m tests.ledger.contender LEDGER NAME TURNS`.

Opens, appends, closes, again and again, however often it is told that somebody else is writing. Prints each append
that was acknowledged.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ledger.errors import Locked
from ledger.sqlite_log import SqliteLog
from tests.ledger.making import AT, append, draft


def main(path: Path, name: str, turns: int) -> None:
    refused = 0
    for turn in range(turns):
        while True:
            try:
                log = SqliteLog(path, replica=name, at=AT)
                break
            except Locked:
                refused += 1
                os.sched_yield()
        try:
            for stream in ("shared", name):
                result = append(log, stream, draft(f"{name}.{turn}"))
                print(stream, result.stream.number, result.ledger.number, result.ledger.hash, flush=True)
        finally:
            log.close()
    print("refused", refused, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
