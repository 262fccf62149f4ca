"""A writer that is going to be killed: `python -m tests.ledger.victim LEDGER`.

Takes over, then appends from several tasks for ever and tells each acknowledged append on standard output at once:
stream, version, position, hash.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from ledger.envelope import Actor
from ledger.group_commit import GroupCommit
from ledger.log import Batch
from ledger.sqlite_log import SqliteLog
from tests.ledger.making import AT, bare, draft

TASKS = 4


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def append_for_ever(group: GroupCommit, stream: str) -> None:
    version = await group.call(lambda: group.log.version(stream))
    number = 0
    while True:
        number += 1
        blobs = (await group.put_blob(os.urandom(60 * number)),) if number % 7 == 0 else ()
        drafts = (draft(f"{stream} {number}", blobs=blobs), bare())
        result = await group.append(Batch(stream=stream, expected=version, epoch=group.log.epoch, at=AT, drafts=drafts))
        version = result.stream.number
        tell(stream, version, result.ledger.number, result.stream.hash)


async def main(path: Path) -> None:
    log = SqliteLog(path, replica="victim", at=AT, inline_bytes_max=400)
    epoch = log.open_epoch(actor=Actor(kind="controller"), at=AT, reason="start")
    tell("epoch", epoch, log.head().number, log.head().hash)
    group = GroupCommit(log)
    await asyncio.gather(*(append_for_ever(group, f"s/{number}") for number in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
