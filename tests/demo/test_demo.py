"""The demo itself, as `make demo` runs it, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.sqlite_log import SqliteReader

DEADLINE_S = 180
ROOT = Path(__file__).parents[2]


def start(folder: Path) -> subprocess.Popen[str]:
    """The demo, in a process of its own."""
    environment = {**os.environ, "DEMO_FOLDER": str(folder)}
    environment.pop("CLUSTER", None)
    command = [sys.executable, "-m", "tests.demo"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def programs_of(folder: Path) -> list[str]:
    """Command lines of processes that were told about the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


@pytest.mark.slow
def test_the_story(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = start(folder)
    said, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, f"{said}{error}"
    assert error == ""
    assert "\x1b" not in said
    for words in (
        "shop   True    3 of 3 stages are ready",
        "stage backend: verify: 2 of 3 objects ready; failed: Deployment shop/backend: made no progress for 3 s",
        "database\tReady\t1.5.0\nbackend\tFailed\t1.4.0\nfrontend\tPending\t1.4.0\n",
        "kill -9 ",
        "✓ the same run went on",
        "✓ 4 objects that were there before the kill have not been touched since",
        "stage database: post-action: announce: it is not known whether the action took effect, so it is not repeated",
        "action announce of stage database is answered as done",
        "✓ 4 times there was something to migrate, and there were 4 Jobs; that of schema 42 (",
        "✓ 4 requests for 4 announcements; none was sent twice",
        "VALID  ",
        "ALTERED at position ",
        "MISSING at position ",
        "REPRODUCED  ",
        "guards on: ",
        "no environment, no sockets, programs or files",
        "$ .venv/bin/sqlite-utils query ",
    ):
        assert words in said
    _check_ledger(folder / "ledger.db")
    assert (folder / "failed.stagereplay").is_file()
    _check_witnesses(folder)
    assert programs_of(folder) == []


def _check_ledger(path: Path) -> None:
    reader = SqliteReader(path)
    try:
        assert audit(reader).verdict == "VALID"
    finally:
        reader.close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        ends = connection.execute("select type from event where type in ('run.succeeded', 'run.failed') order by seq")
        told = ["run.succeeded", "run.failed", "run.succeeded", "run.failed", "run.succeeded"]
        assert [row[0] for row in ends] == told
        (epochs,) = connection.execute("select count(*) from event where type = 'ledger.epoch.opened'").fetchone()
        assert epochs == 4
        # Two writers, one run: it was resumed and not begun again. That of the migration was resumed twice.
        writers = connection.execute("select run, count(distinct epoch) from event where run <> '' group by run")
        assert sorted(row[1] for row in writers) == [1, 1, 1, 2, 3]
        times = connection.execute("select count(*) from event where type = 'action.intended' group by idem")
        assert [row[0] for row in times] == [1] * 8
        (answers,) = connection.execute("select count(*) from event where type = 'operator.resolved'").fetchone()
        assert answers == 1


def _check_witnesses(folder: Path) -> None:
    """What was done, as seen from outside."""
    jobs = [line.split() for line in (folder / "jobs.log").read_text().splitlines() if line.startswith("ADDED")]
    assert len({uid for _, _, uid in jobs}) == len({name for _, name, _ in jobs}) == 4
    requests = [line.split()[-1] for line in (folder / "hooks.log").read_text().splitlines() if "POST" in line]
    assert len(set(requests)) == len(requests) == 4


@pytest.mark.slow
def test_an_interrupted_demo_ends_what_it_started(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = start(folder)
    assert process.stdout is not None
    while "the controller runs" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    started = programs_of(folder)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=DEADLINE_S)
    assert started
    assert process.returncode == 130
    assert "everything that was started has been ended" in error
    assert programs_of(folder) == []
