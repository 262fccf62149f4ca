# ruff: noqa: E501 - rows of tables
"""`docs/crash-matrix.md`: the crash matrix as tables. Written by `make docs`, proved by `test_crash_matrix.py`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.acting import VERBS
from tests.simulation.matrix import BEFORE_EFFECT, DURING, KINDS, MOMENTS, Cell, Hook, Kind, cells, expected

_INTRODUCTION = """\
# Crash matrix

Generated from `tests/simulation/matrix.py` by `make docs`; `tests/simulation/test_crash_matrix.py` plays all {cells}
combinations of an action, a hook, a moment and a kind of crash, and fails where one comes out otherwise than here.

Each cell: **how often the world saw the effect · where the StageSet ends**. Counted outside of the controller: by the
server that got the request, by the UIDs of Jobs and of deleted objects, by requests that changed an object.

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

A Job that is done is deleted when its stage succeeds. A process that stands still for longer than all of that, stopped
in the instant before it sent the creation, would create the Job once more: the one cell that this table does not cover
(`LATE` in the source).
"""


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION.format(cells=sum(1 for _ in cells()))]
    for title, hook in (("pre and post", "pre"), ("onFailure", "onFailure")):
        parts += [f"## {title}: {kind.title}\n\n{_table(hook, kind)}" for kind in KINDS]
    return "\n".join([*parts, _MOMENTS])


def _table(hook: Hook, kind: Kind) -> str:
    titles = ["during" if moment == DURING else moment.title for moment in MOMENTS]
    lines = [f"| action | {' | '.join(titles)} |", "|---" * (len(MOMENTS) + 1) + "|"]
    return "\n".join([*lines, *_rows(hook, kind)]) + "\n"


def _rows(hook: Hook, kind: Kind) -> Iterator[str]:
    for name, verb in VERBS.items():
        yield f"| {verb.title} | {' | '.join(_cells(name, hook, kind))} |"


def _cells(verb: str, hook: Hook, kind: Kind) -> Iterator[str]:
    for moment in MOMENTS:
        if moment == BEFORE_EFFECT and not VERBS[verb].request:
            yield ""
            continue
        promise = expected(Cell(verb, hook, moment, kind))
        assert hook == "onFailure" or promise == expected(Cell(verb, "post", moment, kind)), "pre and post are one"
        yield f"**{promise}**" if promise.end == "held" else str(promise)
