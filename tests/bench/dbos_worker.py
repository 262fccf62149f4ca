"""A dbos workflow on SQLite: reads a number of steps from standard input, takes them, answers with steps a second.

No network: no conductor, no admin server, no telemetry.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing

from dbos import DBOS

from tests.bench.clock import rate


def main(path: str, mode: str) -> None:
    if mode == "wal":
        # The mode stays with the file.
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{path}",
            "run_admin_server": False,
            "enable_otlp": False,
            "log_level": "CRITICAL",
        }
    )

    @DBOS.step()
    def perform(number: int) -> str:
        return "ok"

    @DBOS.workflow()
    def release(steps: int) -> int:
        for number in range(steps):
            perform(number)
        return steps

    DBOS.launch()
    try:
        for line in sys.stdin:
            _answer(release, int(line))
    finally:
        DBOS.destroy()
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("PRAGMA journal_mode").fetchone()[0]
        assert (found == "wal") is (mode == "wal"), found


def _answer(release: object, steps: int) -> None:
    handles: list[object] = []

    def work() -> None:
        handle = DBOS.start_workflow(release, steps)  # type: ignore[call-overload]
        assert handle.get_result() == steps
        handles.append(handle)

    speed = rate(steps, work)
    assert len(DBOS.list_workflow_steps(handles[0].workflow_id)) == steps  # type: ignore[attr-defined]
    print(speed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
