"""Rules of stages (CONTRACT §1.2, rules 1, 2 and 11).

Not their gates (`reconciler.api.rules.gates`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from reconciler.api.problems import Problem, quoted
from reconciler.api.rules import actions, common, gates, sources
from reconciler.api.types import DriftDetection, ReadyChecks, Stage, StageSetSpec

#: RFC 6901 §3. An empty pointer is the whole object: that is said by leaving the paths out.
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)+")

#: Compiles a readiness expression; returns why it cannot be used, or nothing where it is of type bool or dyn.
CompileCel = Callable[[str], str]


def check(spec: StageSetSpec, *, compile_cel: CompileCel | None) -> Iterator[Problem]:
    """All stages."""
    named = ((f"spec.stages[{index}].name", stage.name) for index, stage in enumerate(spec.stages))
    yield from common.unique(named, what="the names of stages")
    for index, stage in enumerate(spec.stages):
        yield from _stage(stage, path=f"spec.stages[{index}]", spec=spec)
        if stage.ready_checks:
            at = f"spec.stages[{index}].readyChecks"
            yield from _ready_checks(stage.ready_checks, path=at, compile_cel=compile_cel)


def _stage(stage: Stage, *, path: str, spec: StageSetSpec) -> Iterator[Problem]:
    yield from sources.of_ref(stage.source_ref, path=f"{path}.sourceRef")
    if stage.post_build:
        for index, ref in enumerate(stage.post_build.substitute_from):
            yield from common.required(ref.name, path=f"{path}.postBuild.substituteFrom[{index}].name")
    if stage.drift_detection:
        yield from _drift_detection(stage.drift_detection, path=f"{path}.driftDetection")
    if stage.actions:
        yield from actions.of_stage(stage.actions, path=f"{path}.actions", has_version=spec.version is not None)
    if stage.promotion:
        yield from gates.promotion(stage.promotion, path=f"{path}.promotion")
    if stage.error_budget:
        yield from gates.error_budget(stage.error_budget, path=f"{path}.errorBudget")


def _drift_detection(found: DriftDetection, *, path: str) -> Iterator[Problem]:
    for index, rule in enumerate(found.ignore):
        for at, pointer in enumerate(rule.paths):
            if _POINTER.fullmatch(pointer) is None:
                hint = "a / before each name, ~1 for a / in a name, ~0 for a ~"
                text = f"must be a JSON pointer such as /spec/replicas ({hint}), not {quoted(pointer)}"
                yield Problem(f"{path}.ignore[{index}].paths[{at}]", text)


def _ready_checks(checks: ReadyChecks, *, path: str, compile_cel: CompileCel | None) -> Iterator[Problem]:
    for index, ref in enumerate(checks.checks):
        yield from common.required(ref.kind, path=f"{path}.checks[{index}].kind")
        yield from common.required(ref.name, path=f"{path}.checks[{index}].name")
    for index, expr in enumerate(checks.exprs):
        at = f"{path}.exprs[{index}]"
        yield from common.required(expr.api_version, path=f"{at}.apiVersion")
        yield from common.required(expr.kind, path=f"{at}.kind")
        for name, text in (("current", expr.current), ("inProgress", expr.in_progress), ("failed", expr.failed)):
            reason = compile_cel(text) if text and compile_cel else ""
            if reason:
                yield Problem(f"{at}.{name}", f"is no usable CEL expression: {reason} (in {quoted(text)})")
