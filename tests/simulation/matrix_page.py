# ruff: noqa: E501 - rows of tables
"""`docs/crash-matrix.md`: the crash matrix as tables. Written by `make docs`, proved by `test_crash_matrix.py`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.cluster.rollout import crash_kinds, crash_rows
from tests.simulation.matrix import BEFORE_EFFECT, DURING, KINDS, MOMENTS, ROWS, Cell, Hook, Kind, cells, expected

_INTRODUCTION = """\
# Crash matrix

Generated from `tests/simulation/matrix.py` by `make docs`; `tests/simulation/test_crash_matrix.py` plays all {cells}
combinations of an action, a hook, a moment and a kind of crash on MemoryCluster, and fails where one comes out
otherwise than here. A part of them is counted [on a real control plane](#on-a-real-control-plane) as well.

Each cell: **how often the world saw the effect · where the StageSet ends**. Counted outside of the controller: by the
server that got the request, by the UIDs of Jobs that were started and of deleted objects, by requests that changed an
object.

`held` is the answer to a question that cannot be answered from here: the stage waits for
[`stagesetctl resolve`](how-to/actions.md#an-action-is-held). The test then answers with what the outside saw, and sees
that the StageSet becomes Ready and the effect was seen once.

A repeatable request (`GET`, `HEAD`, `idempotent: true`) may arrive twice with one `Idempotency-Key`; it counts once. A
patch that sets fields may arrive twice; it changes nothing the second time.
"""

_MOMENTS = """\
## Moments

| moment | where |
|---|---|
| before the intent | `action.intended` is about to be appended |
| intent recorded | `action.intended` is durable, and nothing was done yet |
| before the effect | the request that is the effect is about to be sent |
| during | the effect is made, and its answer has not been read; a `wait` waits |
| answered | the answer is known, and `action.finished` is about to be appended |
| outcome recorded | `action.finished` is durable |

## What happens

| | |
|---|---|
| SIGKILL | the process is gone; another one comes a few seconds later |
| SIGSTOP, SIGCONT | the process stands still for longer than the Lease; another one takes over with a newer epoch; then the first one goes on where it was, with everything that it was about to send, until it finds its Lease lost |
| network | neither the API server nor any other server answers for a few seconds |
| full disk | the ledger cannot be written for a few seconds |
| full disk, SIGKILL | the ledger cannot be written, and then the process is gone |

A Job is created suspended and started when its UID is recorded: two requests, hence two rows. One that is created by a
process that stood still for so long that another one has done everything, and deleted its Job, cannot be recorded any
more: it is never started. The same holds where only the request was late. Custom kinds, and Jobs that somebody else
suspends and starts, are created as they are; for them such a creation would count twice.
"""


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION.format(cells=sum(1 for _ in cells()))]
    for title, hook in (("pre and post", "pre"), ("onFailure", "onFailure")):
        parts += [f"## {title}: {kind.title}\n\n{_table(hook, kind)}" for kind in KINDS]
    return "\n".join([*parts, _real(), _MOMENTS])


_REAL = """\
## On a real control plane

Counted by `tests/cluster/rollout/test_actions_crashes.py` on etcd, kube-apiserver, kube-controller-manager and kwok, with
the controller as a process of its own and a ledger on disk: by the server that got the requests, by the API server's
audit log, by the Pods of Jobs. The kinds are real: signals, a limit on the size of files (`RLIMIT_FSIZE`) for the full
disk, connections that break. `before` and `after` are the sides of the effect: the request waits before the server, or
its answer before the controller; `recorded` is after the outcome.

{table}
While a process is stopped past its Lease another one has the Lease and waits for the ledger's file, which the first one
has locked: it cannot act. What the first one had sent arrives meanwhile. When it goes on it finds its Lease lost, begins
nothing, records what it had begun, and ends with exit code 3; then the other one takes over with a newer epoch. Another
test there lets the network deliver the creation of a Job when its sender is gone and the next one has done everything: no
Pod comes of it.
"""


def _real() -> str:
    kinds = crash_kinds.KINDS
    lines = [f"| action, hook | {' | '.join(map(str, kinds))} |", "|---" * (len(kinds) + 1) + "|"]
    lines += [f"| {_title(row)} | {' | '.join(_promised(kind, row) for kind in kinds)} |" for row in crash_rows.ROWS]
    return _REAL.format(table="\n".join(lines) + "\n")


def _title(row: crash_rows.Row) -> str:
    names = {"http-onFailure": "http", "patch-json6902": "patch-list", "wait": "wait-expr"}
    return f"{ROWS[names.get(row.name, row.name)].title}, {row.hook}"


def _promised(kind: crash_kinds.Kind, row: crash_rows.Row) -> str:
    if row not in kind.rows:
        return ""
    promise = kind.promise(row)
    end = "failed" if row.hook == "onFailure" else "held" if promise.held else "Ready"
    return f"**{promise.effects} · held**" if end == "held" else f"{promise.effects} · {end}"


def _table(hook: Hook, kind: Kind) -> str:
    titles = ["during" if moment == DURING else moment.title for moment in MOMENTS]
    lines = [f"| action | {' | '.join(titles)} |", "|---" * (len(MOMENTS) + 1) + "|"]
    return "\n".join([*lines, *_rows(hook, kind)]) + "\n"


def _rows(hook: Hook, kind: Kind) -> Iterator[str]:
    for name, verb in ROWS.items():
        yield f"| {verb.title} | {' | '.join(_cells(name, hook, kind))} |"


def _cells(verb: str, hook: Hook, kind: Kind) -> Iterator[str]:
    for moment in MOMENTS:
        if moment == BEFORE_EFFECT and not ROWS[verb].request:
            yield ""
            continue
        promise = expected(Cell(verb, hook, moment, kind))
        assert hook == "onFailure" or promise == expected(Cell(verb, "post", moment, kind)), "pre and post are one"
        yield f"**{promise}**" if promise.end == "held" else str(promise)
