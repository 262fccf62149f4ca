"""How workloads behave: told by annotations, by a function, or by the defaults of a policy.

Pure. Annotations stand on the workload or on its Pod template, under `sandbox.stages.metio.wtf/`:
`ready-after` (a Go duration), `outcome` (`ready`, `fail`, `never`, `crashloop`), `exit-code`, `log`, `pods`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

PREFIX = "sandbox.stages.metio.wtf/"
Outcome = Literal["ready", "fail", "never", "crashloop"]
OUTCOMES: tuple[Outcome, ...] = ("ready", "fail", "never", "crashloop")

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Behaviour(NamedTuple):
    """What becomes of a workload.

    `ready` becomes ready (a Job: complete) after `after_s`; `fail` fails then: a Deployment exceeds its progress
    deadline, a Job or Pod exits with `exit_code`; `never` stays not ready; `crashloop` restarts again and again.
    """

    outcome: Outcome = "ready"
    after_s: float = 0.0
    exit_code: int = 1
    #: What the containers log.
    log: str = ""
    #: Whether Pods (and a Deployment's ReplicaSet) are made as objects; Jobs always have theirs.
    pods: bool = True


Decide = Callable[[Mapping[str, Any]], Behaviour | None]


@dataclass(frozen=True, kw_only=True)
class Workloads:
    """Defaults for workloads that say nothing. `decide` comes before annotations; None leaves it to them."""

    ready_after_s: float = 0.0
    pods: bool = True
    #: How many Pods a DaemonSet has.
    nodes: int = 1
    decide: Decide | None = None

    def of(self, obj: Mapping[str, Any]) -> Behaviour:
        """The behaviour of a workload."""
        decided = self.decide(obj) if self.decide else None
        if decided is not None:
            return decided
        template = (obj.get("spec") or {}).get("template") or {}
        notes = {**_notes(template), **_notes(obj)}
        outcome = notes.get("outcome", "ready")
        return Behaviour(
            outcome if outcome in OUTCOMES else "never",
            seconds(notes["ready-after"]) if "ready-after" in notes else self.ready_after_s,
            int(notes["exit-code"]) if notes.get("exit-code", "").isdigit() else 1,
            notes.get("log", ""),
            notes.get("pods", "true") == "true" if "pods" in notes else self.pods,
        )


def _notes(obj: Mapping[str, Any]) -> dict[str, str]:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return {name[len(PREFIX) :]: value for name, value in annotations.items() if name.startswith(PREFIX)}


def seconds(text: str) -> float:
    """A Go duration in seconds; 0 when it cannot be read."""
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
