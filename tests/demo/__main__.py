"""`make demo`: a release, a broken one, a kill in the middle, and the story from the ledger. Under a minute.

`make demo CLUSTER=kubeconfig` plays it on the current context instead of a sandbox; CLUSTER may name a kubeconfig.
Leaves build/demo/ledger.db. Exit codes: 0 it went as it should, 1 it did not (with the reason), 130 interrupted.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from tests.demo import tampering, world
from tests.demo.story import Story
from tests.demo.terminal import DemoFailed, Terminal

FOLDER = Path(__file__).parents[2] / "build" / "demo"
_NEXT = (
    "stagesetctl ledger show --outcome failed build/demo/ledger.db",
    "stagesetctl ledger show --type 'verify.*' -o json build/demo/ledger.db",
    "stagesetctl audit export --format csv --output build/demo/story.csv build/demo/ledger.db",
    'sqlite-utils query build/demo/ledger.db "select type, count(*) as times from event'
    ' group by type order by times desc" -t',
    "sqlite-utils query build/demo/ledger.db \"select at, stage, body ->> 'operation' as operation,"
    " body ->> 'message' as why from event where type = 'stage.failed'\" -t",
    'sqlite-utils query build/demo/ledger.db "select run, stage, round((julianday(max(at)) - julianday(min(at)))'
    " * 86400, 1) as seconds from event where stage <> '' group by run, stage order by min(seq)\" -t",
)


def main(arguments: list[str]) -> int:
    """Play it on what the first argument, or CLUSTER, names; with neither, on a sandbox."""
    # As Ctrl-C does: everything that was started is ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    cluster = arguments[0] if arguments else os.environ.get("CLUSTER", "")
    terminal = Terminal()
    try:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        _play(terminal, cluster)
    except DemoFailed as failure:
        print(f"\nThe demo did not go as it should.\n{failure}\nLogs: {FOLDER}/*.log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has been ended.", file=sys.stderr)
        return 130
    return 0


def _play(terminal: Terminal, cluster: str) -> None:
    terminal.title("A cluster, a source, a controller")
    with _world(terminal, cluster) as stage:
        story = Story(stage, terminal, folder=FOLDER)
        try:
            story.begin()
            story.good_release()
            story.broken_release()
            story.killed_release()
        finally:
            story.close()
    story.from_the_ledger()
    _prove(story, terminal)
    terminal.title(f"Done in {terminal.passed_s:.0f} seconds. The ledger stays; try next")
    for line in _NEXT:
        terminal.command(f".venv/bin/{line}")


def _world(terminal: Terminal, cluster: str) -> AbstractContextManager[world.World]:
    return world.given(cluster, FOLDER, terminal) if cluster else world.sandboxed(FOLDER, terminal)


def _prove(story: Story, terminal: Terminal) -> None:
    terminal.title("Is this what was written?")
    if story.stagesetctl("audit", "verify", "build/demo/ledger.db"):
        raise DemoFailed("the ledger does not verify")
    for title, name, tamper in (
        ("Somebody flips one bit of one record, in a copy", "one-bit.db", tampering.flip_a_bit),
        ("Somebody removes the record of the failure, in a copy", "one-gone.db", tampering.drop_the_failure),
    ):
        terminal.title(title)
        copy = tampering.tampered(story.ledger, name, tamper)
        if story.stagesetctl("audit", "verify", f"build/demo/{copy.name}") != 1:
            raise DemoFailed(f"the audit did not find what was done to {copy}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
