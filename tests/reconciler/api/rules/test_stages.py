from __future__ import annotations

from typing import Any

import pytest

from tests.reconciler.api.objects import sentences, stage, stageset, with_stage


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            stageset(stages=[stage("a"), stage("b"), stage("a")]),
            'spec.stages[2].name is "a", as is spec.stages[0].name; the names of stages must differ: rename one',
        ),
        (with_stage(sourceRef={"name": ""}), "spec.stages[0].sourceRef.name must not be empty"),
        (
            with_stage(postBuild={"substituteFrom": [{"kind": "Secret", "name": ""}]}),
            "spec.stages[0].postBuild.substituteFrom[0].name must not be empty",
        ),
        (
            with_stage(readyChecks={"checks": [{"kind": "", "name": "a"}]}),
            "spec.stages[0].readyChecks.checks[0].kind must not be empty",
        ),
        (
            with_stage(readyChecks={"checks": [{"kind": "Pod", "name": ""}]}),
            "spec.stages[0].readyChecks.checks[0].name must not be empty",
        ),
        (
            with_stage(readyChecks={"exprs": [{"apiVersion": "", "kind": "Pod", "current": "true"}]}),
            "spec.stages[0].readyChecks.exprs[0].apiVersion must not be empty",
        ),
        (
            with_stage(readyChecks={"exprs": [{"apiVersion": "v1", "kind": " ", "current": "true"}]}),
            "spec.stages[0].readyChecks.exprs[0].kind must not be empty",
        ),
        *(
            (
                with_stage(driftDetection={"ignore": [{"paths": ["/a"]}, {"paths": ["/a", pointer]}]}),
                "spec.stages[0].driftDetection.ignore[1].paths[1] must be a JSON pointer such as /spec/replicas (a / "
                f'before each name, ~1 for a / in a name, ~0 for a ~), not "{pointer}"',
            )
            for pointer in ("", "spec/replicas", "/a~b", "/a~", "a")
        ),
    ],
)
def test_rules_of_stages(raw: dict[str, Any], sentence: str) -> None:
    assert sentences(raw) == [sentence]


@pytest.mark.parametrize(
    "raw",
    [
        stageset(stages=[stage("a"), stage("b"), stage("a-1")]),
        with_stage(postBuild={"substituteFrom": [{"kind": "Secret", "name": "a"}]}),
        with_stage(
            readyChecks={"checks": [{"kind": "Pod", "name": "a"}], "exprs": [{"apiVersion": "v1", "kind": "Pod"}]}
        ),
        with_stage(name="a" * 300),
        with_stage(driftDetection={"mode": "Ignore", "ignore": [{}, {"paths": ["/a", "/", "/a~1b~0/0//x y"]}]}),
    ],
)
def test_what_the_rules_of_stages_allow(raw: dict[str, Any]) -> None:
    assert sentences(raw) == []


def test_actions_and_gates_of_a_stage_are_checked() -> None:
    raw = with_stage(
        actions={"post": [{"name": "a"}]},
        promotion={"fastTrack": {"source": {}, "max": "1"}},
        errorBudget={"source": {}, "freezeThreshold": "1"},
    )
    assert [line.split(" ")[0] for line in sentences(raw)] == [
        "spec.stages[0].actions.post[0]",
        "spec.stages[0].promotion.fastTrack",
        "spec.stages[0].promotion.fastTrack.source",
        "spec.stages[0].errorBudget.source",
    ]
