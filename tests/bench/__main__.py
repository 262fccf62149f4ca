"""`make bench`: measures the ledger against the physical limit and its peers; writes build/bench/ledger.json.

Exit code 1 when a row misses three quarters of its target in two runs of three. Words on the command line choose
among: disk, eventsourcing, dbos, group, slow, read, start.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from tabulate import tabulate

from tests.bench.appending import against_dbos, against_disk, against_eventsourcing
from tests.bench.grouping import normal, slowed
from tests.bench.reading import reading
from tests.bench.row import Row, gated
from tests.bench.starting import starting

FOLDER = Path("build/bench")
_MEASURES: dict[str, Callable[[Path], list[Row]]] = {
    "disk": against_disk,
    "group": normal,
    "slow": slowed,
    "eventsourcing": against_eventsourcing,
    "dbos": against_dbos,
    "read": reading,
    "start": starting,
}


def main(chosen: list[str]) -> int:
    rows: list[Row] = []
    for name, measure in _MEASURES.items():
        if not chosen or name in chosen:
            print(f"measuring: {name} …", file=sys.stderr, flush=True)
            rows += gated(partial(_afresh, name, measure))
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "ledger.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
    print(tabulate([_cells(one) for one in rows], headers=_HEADERS, tablefmt="simple", disable_numparse=True))
    print(f"\nWritten to {FOLDER / 'ledger.json'}; >= and <= are targets, in [] the spread of the ratio.")
    return 0 if all(one.passes_gate for one in rows) else 1


def _afresh(name: str, measure: Callable[[Path], list[Row]]) -> list[Row]:
    folder = FOLDER / "work" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_HEADERS = ("what", "ours", "against", "theirs", "ratio", "target", "")


def _cells(one: Row) -> tuple[str, ...]:
    sign = ">=" if one.bound == "at least" else "<="
    target = f"{sign} {one.target:g}"
    if one.ratio is None:
        return (one.name, "-", one.against, "-", "-", target, one.note)
    verdict = "holds" if one.holds else "missed" if one.passes_gate else "FAILED"
    ratio = f"{one.ratio:.2f} [{one.min:.2f}-{one.max:.2f}]"
    return (one.name, f"{one.value:,.5g} {one.unit}", one.against, f"{one.against_value:,.5g}", ratio, target, verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
