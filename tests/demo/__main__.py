"""`make demo`: a release, a broken one, kills in the middle, and the story from the ledger. Under a minute.

`make demo CLUSTER=kubeconfig` plays it on the current context instead of a sandbox; CLUSTER may name a kubeconfig file.
Leaves build/demo/ledger.db and failed.stagereplay; DEMO_FOLDER names another folder. Exit codes: 0 it went as it
should, 1 it did not (with the reason), 130 interrupted.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.demo import release, tampering, world
from tests.demo.controls import Controls, near
from tests.demo.migration import Migration
from tests.demo.story import Story
from tests.demo.terminal import DemoFailed, Terminal

FOLDER = Path(__file__).parents[2] / "build" / "demo"
#: Printed at the end; `{ledger}` and `{bundle}` are as one types them in the repository.
_NEXT = (
    "stagesetctl ledger show --outcome failed {ledger}",
    "stagesetctl ledger show --type 'action.*' {ledger}",
    "stagesetctl ledger show --type 'verify.*' -o json {ledger}",
    "stagesetctl replay inspect {bundle}",
    "stagesetctl audit export --format csv --output story.csv {ledger}",
    'sqlite-utils query {ledger} "select type, count(*) as times from event group by type order by times desc" -t',
    "sqlite-utils query {ledger} \"select at, stage, body ->> 'operation' as operation,"
    " body ->> 'message' as why from event where type = 'stage.failed'\" -t",
    'sqlite-utils query {ledger} "select run, stage, round((julianday(max(at)) - julianday(min(at)))'
    " * 86400, 1) as seconds from event where stage <> '' group by run, stage order by min(seq)\" -t",
)


def main(arguments: list[str]) -> int:
    """Play it on what the first argument, or CLUSTER, names; with neither, on a sandbox."""
    # As Ctrl-C does: everything that was started is ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    cluster = arguments[0] if arguments else os.environ.get("CLUSTER", "")
    folder = Path(os.environ.get("DEMO_FOLDER") or FOLDER).absolute()
    try:
        with _only_demo(folder):
            _play(Terminal(), cluster, folder)
    except DemoFailed as failure:
        print(f"\nThe demo did not go as it should.\n{failure}\nLogs: {folder}/*.log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has been ended.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _only_demo(folder: Path) -> Iterator[None]:
    """The folder, empty, and nobody else's for as long as the demo plays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"another demo plays in {folder}: wait for its end, or set DEMO_FOLDER") from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield


def _play(terminal: Terminal, cluster: str, folder: Path) -> None:
    terminal.title("A cluster, a source, a controller")
    with _world(terminal, cluster, folder) as stage:
        controls = Controls(stage, terminal, folder=folder)
        story = Story(controls)
        migration = Migration(controls, story)
        try:
            story.begin()
            story.good_release()
            story.broken_release()
            story.killed_release()
            migration.play()
        finally:
            controls.close()
    story.from_the_ledger(migrated=migration.run)
    _prove(controls, terminal)
    bundle = _replay(controls, terminal, run=story.failed)
    terminal.title(f"Done in {terminal.passed_s:.0f} seconds. The ledger stays; try next")
    for line in _NEXT:
        terminal.command(f".venv/bin/{line.format(ledger=near(controls.ledger), bundle=near(bundle))}")


def _world(terminal: Terminal, cluster: str, folder: Path) -> AbstractContextManager[world.World]:
    return world.given(cluster, folder, terminal) if cluster else world.sandboxed(folder, terminal)


def _prove(controls: Controls, terminal: Terminal) -> None:
    terminal.title("Is this what was written?")
    if controls.stagesetctl("audit", "verify", near(controls.ledger)):
        raise DemoFailed("the ledger does not verify")
    for title, name, tamper in (
        ("Somebody flips one bit of one record, in a copy", "one-bit.db", tampering.flip_a_bit),
        ("Somebody removes the record of the failure, in a copy", "one-gone.db", tampering.drop_the_failure),
    ):
        terminal.title(title)
        copy = tampering.tampered(controls.ledger, name, tamper)
        if controls.stagesetctl("audit", "verify", near(copy)) != 1:
            raise DemoFailed(f"the audit did not find what was done to {copy}")


def _replay(controls: Controls, terminal: Terminal, *, run: str) -> Path:
    """The broken release in one file, decided again without the cluster."""
    terminal.title(f"Release {release.BROKEN} in one file, and decided again without any cluster")
    bundle = controls.folder / "failed.stagereplay"
    if controls.stagesetctl("replay", "export", "--ledger", near(controls.ledger), "-o", near(bundle), run):
        raise DemoFailed(f"the run {run} was not exported")
    if controls.stagesetctl("replay", "run", near(bundle)):
        raise DemoFailed(f"the run in {bundle} was not reproduced")
    return bundle


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
