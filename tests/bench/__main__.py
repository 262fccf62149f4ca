"""`make bench`: measures against the physical limit and the peers; writes the figures to build/bench/*.json.

Exit code 1 when a row misses three quarters of its target in two runs of three. Words on the command line choose
among: disk, group, slow, eventsourcing, dbos, read, start; apply, rollout, steady, drift, memory, controlplane;
replay, export; and many, which takes five minutes and is measured on request only.
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
from tests.bench.replaying import exporting, replaying
from tests.bench.rollout import converging, remembering, resting
from tests.bench.rollout_apply import applying
from tests.bench.rollout_controlplane import converging_for_real
from tests.bench.rollout_drift import correcting
from tests.bench.rollout_many import many_on_request, remembering_many
from tests.bench.row import Row, gated
from tests.bench.starting import starting

FOLDER = Path("build/bench")
_Measure = Callable[[Path], list[Row]]
_LEDGER: dict[str, _Measure] = {
    "disk": against_disk,
    "group": normal,
    "slow": slowed,
    "eventsourcing": against_eventsourcing,
    "dbos": against_dbos,
    "read": reading,
    "start": starting,
}
_ROLLOUT: dict[str, _Measure] = {
    "apply": applying,
    "rollout": converging,
    "steady": resting,
    "drift": correcting,
    "memory": remembering,
    "many": remembering_many if "many" in sys.argv else many_on_request,
    "controlplane": converging_for_real,
}
_REPLAY: dict[str, _Measure] = {"replay": replaying, "export": exporting}


def main(chosen: list[str]) -> int:
    passed = True
    for report, measures in (("ledger", _LEDGER), ("rollout", _ROLLOUT), ("replay", _REPLAY)):
        wanted = {name: measure for name, measure in measures.items() if not chosen or name in chosen}
        if wanted:
            passed = _measured(report, wanted) and passed
    return 0 if passed else 1


def _measured(report: str, measures: dict[str, _Measure]) -> bool:
    rows: list[Row] = []
    for name, measure in measures.items():
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        rows += gated(partial(_afresh, name, measure))
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{report}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
    print(tabulate([_cells(one) for one in rows], headers=_HEADERS, tablefmt="simple", disable_numparse=True))
    print(f"\nWritten to {path}; >= and <= are targets, in [] the spread of the ratio.\n", flush=True)
    return all(one.passes_gate for one in rows)


def _afresh(name: str, measure: _Measure) -> list[Row]:
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
    verdict = f"{verdict} ({one.note})" if one.note else verdict
    return (one.name, f"{one.value:,.5g} {one.unit}", one.against, f"{one.against_value:,.5g}", ratio, target, verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
