"""Replays and exports: a failed run, replayed by the command as a user starts it; an export from a long ledger.

How long the run took is virtual time of the simulation, whose workloads need as long as it says here; the replay is
wall-clock time and memory of whole processes, the isolated child included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ledger import instant
from ledger.envelope import decode_header
from ledger.log import Reader, Selection
from ledger.memory_log import MemoryLog
from ledger.sqlite_log import SqliteReader
from ledger.upcast import decode
from reconciler.adapters.memory.policy import PREFIX
from replay.bundle import gathering
from replay.bundle.export import Wanted, export
from replay.bundle.format import Manifest
from replay.bundle.proof import prove
from tests.bench.row import Named, Row, row
from tests.bench.sample import FAILED, INTENT, OUTCOME, VERIFIED, batch, open_log
from tests.simulation.life import finish
from tests.simulation.manifests import NAMESPACE
from tests.simulation.scenario import allow_tenant
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset

STAGES, OBJECTS = 3, 50
READY_S, TIMEOUT_S = 20, 60
EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
#: StageSets in the long ledger; of each as many records.
_STREAMS, _RUN_RECORDS = 1_000, 40
_ROUNDS = 5
_RUN = f"a failed run of {STAGES} stages x {OBJECTS} objects"
COLD = Named(name=f"replay of {_RUN}, cold start included", unit="s", against="1 s", target=1.0, bound="at most")
FASTER = Named(
    name=f"{_RUN}: workloads need {READY_S} s, the last fails after {TIMEOUT_S} s",
    unit="s",
    against="its replay, cold start included",
    target=50.0,
)
MEMORY = Named(name="peak memory of that replay", unit="MiB", against="128 MiB", target=1.0, bound="at most")
EXPORT = Named(
    name=f"export of a run from a ledger of {EVENTS:,} events",
    unit="ms of CPU",
    against="reading, proving and decoding it from a ledger with nothing else",
    target=2.0,
    bound="at most",
)
# Parent and child, one after the other: the child is waited for, so it counts among the children.
_MEASURE = """
import resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
took = time.perf_counter() - begun
print(done.returncode, took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


# ── a replay ─────────────────────────────────────────────────────────────────────────────────────────────────────


def replaying(folder: Path) -> list[Row]:
    log = _rolled_out()
    (last,) = (decode_header(one.header) for one in log.read(Selection(types=("run.failed",))))
    mine = [decode_header(one.header).at for one in log.read(Selection(run=last.run))]
    happened_s = (instant.to_ms(last.at) - instant.to_ms(mine[0])) / 1000
    path = folder / "failed.stagereplay"
    path.write_bytes(b"".join(export(log, Wanted(last.stream, last.run))))
    rounds = [_replayed(path) for _ in range(_ROUNDS + 1)][1:]
    took_s, peak_mib = zip(*rounds, strict=True)
    return [
        row(COLD, took_s, [1.0] * _ROUNDS),
        row(FASTER, [happened_s] * _ROUNDS, took_s),
        row(MEMORY, peak_mib, [128.0] * _ROUNDS),
    ]


def _replayed(path: Path) -> tuple[float, float]:
    words = [sys.executable, "-m", "replay", "replay", "run", str(path)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _MEASURE, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    code, took_s, peak_mib = done.stdout.split()
    assert code == "0", done.stdout
    return float(took_s), float(peak_mib)


def _rolled_out() -> MemoryLog:
    """The ledger of a rollout whose last stage does not become ready."""
    names = [f"stage-{number}" for number in range(1, STAGES + 1)]

    async def main(loop: VirtualLoop) -> MemoryLog:
        world = World(loop, seed="bench")
        await world.begin()
        allow_tenant(world)
        for name in names:
            world.publish_files(name, "v1", dict(_files(name, fails=name == names[-1])))
        stages = [{"name": name, "sourceRef": {"name": name}} for name in names]
        made = stageset("rel", stages, timeout=f"{TIMEOUT_S}s", retryInterval="600s")
        world.do(world.memory.create(made))
        await world.until("it fails", lambda: world.ready("rel")[1] == "StageFailed", within_s=600)
        await finish(world)
        return world.log

    log: MemoryLog = run(main)
    return log


def _files(stage: str, *, fails: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(OBJECTS - 1):
        name = f"{stage}-{number}"
        metadata = {"name": name, "namespace": NAMESPACE}
        data = {f"key-{at}": f"{name}: {at} of a few words of configuration" for at in range(10)}
        yield f"{name}.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    labels = {"app": stage}
    notes = {f"{PREFIX}outcome": "never" if fails else "ready", f"{PREFIX}ready-after": f"{READY_S}s"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    yield (
        "web.yaml",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": stage, "namespace": NAMESPACE, "annotations": notes},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
    )


# ── an export ────────────────────────────────────────────────────────────────────────────────────────────────────


def exporting(folder: Path) -> list[Row]:
    runs = EVENTS // _STREAMS // _RUN_RECORDS
    long = _ledger(folder / "long.db", streams=_STREAMS, runs=runs)
    alone = _ledger(folder / "alone.db", streams=1, runs=runs)
    wanted, only = (Wanted(_stream(at), _name(at, runs - 1)) for at in (_STREAMS // 2, 0))
    rounds = [
        (_cpu_ms(long, lambda reader: _export(reader, wanted)), _cpu_ms(alone, lambda reader: _read(reader, only)))
        for _ in range(_ROUNDS + 1)
    ][1:]
    return [row(EXPORT, *zip(*rounds, strict=True))]


def _ledger(path: Path, *, streams: int, runs: int) -> Path:
    """Runs of all StageSets in turns."""
    log = open_log(path)
    ten = (INTENT, OUTCOME, *[VERIFIED] * 7, FAILED)
    for number in range(runs):
        for at in range(streams):
            drafts = [replace(draft, run=_name(at, number)) for draft in ten * (_RUN_RECORDS // len(ten))]
            log.append(batch(log, _stream(at), *drafts))
    log.close()
    return path


def _stream(at: int) -> str:
    return f"stageset/shop/{at}/uid"


def _name(at: int, number: int) -> str:
    return f"shop/{at}/uid-{number}"


def _export(reader: Reader, wanted: Wanted) -> int:
    return sum(map(len, export(reader, wanted)))


def _read(reader: Reader, wanted: Wanted) -> int:
    found = gathering.records(reader, wanted)
    last = found[-1]
    manifest = Manifest(
        format=1,
        ledger=last.header.ledger,
        stream=wanted.stream,
        run=wanted.run,
        first_seq=1,
        last_seq=last.stored.seq,
        records=len(found),
        head=last.mark,
        members=(),
    )
    prove(manifest, [one.stored for one in found])
    return len([decode(one.stored) for one in found])


def _cpu_ms(path: Path, work: Callable[[Reader], int]) -> float:
    reader = SqliteReader(path)
    begun = time.process_time()
    assert work(reader) > 0
    took_ms = (time.process_time() - begun) * 1000
    reader.close()
    return took_ms
