from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import decode
from reconciler.api.types import ObjectMeta, StageSet, StageSetSpec
from reconciler.api.validate import validate
from tests.reconciler.api.objects import ALL, example, sentences, stage, stageset, with_stage


@pytest.mark.parametrize("name", ALL)
def test_the_examples_are_right(name: str) -> None:
    raw = example(name)
    assert validate(raw) == []
    assert validate(decode.stageset(raw)) == []


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            stageset(decryption={"provider": "sops", "secretRef": {"name": ""}}),
            "spec.decryption.secretRef.name must not be empty",
        ),
        (
            stageset(decryption={"provider": "age"}),
            'spec.decryption.provider must be sops, not "age"',
        ),
        (
            stageset(kubeConfig={}),
            "spec.kubeConfig must set exactly one of secretRef and configMapRef, but sets none; add one",
        ),
        (
            stageset(kubeConfig={"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}}),
            "spec.kubeConfig must set exactly one of secretRef and configMapRef, but sets secretRef and configMapRef; "
            "keep one",
        ),
        (stageset(kubeConfig={"secretRef": {"name": " "}}), "spec.kubeConfig.secretRef.name must not be empty"),
        (stageset(kubeConfig={"configMapRef": {"name": ""}}), "spec.kubeConfig.configMapRef.name must not be empty"),
        (stageset(dependsOn=[{"name": ""}]), "spec.dependsOn[0].name must not be empty"),
        (
            stageset(dependsOn=[{"name": "a"}, {"name": "b", "minVersion": "newest"}]),
            'spec.dependsOn[1].minVersion must be a semantic version such as 1.2.3, not "newest"',
        ),
        ({**stageset(), "kind": "Kustomization"}, 'kind must be StageSet, not "Kustomization"'),
        ({**stageset(), "apiVersion": "v2"}, 'apiVersion must be stages.metio.wtf/v1, not "v2"'),
        ({"metadata": {}}, "spec is required (what should be rolled out, and how); add it"),
    ],
)
def test_rules_of_the_spec(raw: dict[str, Any], sentence: str) -> None:
    assert sentences(raw) == [sentence]


@pytest.mark.parametrize(
    "raw",
    [
        stageset(decryption={"provider": "sops"}),
        stageset(decryption={"provider": "sops", "secretRef": {"name": "a"}}),
        stageset(kubeConfig={"secretRef": {"name": "a"}}),
        stageset(kubeConfig={"configMapRef": {"name": "a"}}),
        stageset(dependsOn=[{"name": "a", "minVersion": "v1"}]),
        {**stageset(), "status": {"version": 3}},  # the status is no matter of the spec
    ],
)
def test_what_the_rules_of_the_spec_allow(raw: dict[str, Any]) -> None:
    assert sentences(raw) == []


def test_rules_and_unknown_fields_are_told_together() -> None:
    raw = stageset(stages=[stage("a"), stage("a", foo=1)])
    assert sentences(raw) == [
        "spec.stages[1].foo is not a field of this API; correct its name or remove it",
        'spec.stages[1].name is "a", as is spec.stages[0].name; the names of stages must differ: rename one',
    ]


def test_a_wrong_shape_is_told_before_the_rules() -> None:
    raw = stageset(stages=[stage("a"), stage("a", path=1, foo=1)])
    assert sentences(raw) == [
        "spec.stages[1].path must be a string, not the number 1; put it in quotes",
        "spec.stages[1].foo is not a field of this API; correct its name or remove it",
    ]


def test_a_decoded_object_is_held_to_the_same_rules() -> None:
    raw = stageset(stages=[stage("a"), stage("a")])
    assert [str(problem) for problem in validate(decode.stageset(raw))] == sentences(raw)


def test_an_object_made_without_the_decoder_needs_stages_too() -> None:
    made = StageSet(metadata=ObjectMeta(name="a"), spec=StageSetSpec(stages=()))
    assert [str(problem) for problem in validate(made)] == ["spec.stages must have at least 1 item; add one"]


@pytest.mark.parametrize("raw", [{"spec": {1: 2}}, {True: {}}, {"metadata": None}, {"metadata": {"labels": {"a": 1}}}])
def test_what_is_no_stageset_at_all_is_told(raw: dict[Any, Any]) -> None:
    assert validate({})
    assert validate(raw)
    assert validate({**stageset(), **raw})


_FIELDS = st.sampled_from(["name", "stages", "sourceRef", "actions", "pre", "http", "url", "version", "spec", 1, True])
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.datetimes()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["spec", "metadata", "kind", "stages"]), _ANYTHING)
def test_whatever_a_file_holds_the_answer_is_a_list_of_sentences(field: str, value: Any) -> None:
    raw = stageset(stages=value) if field == "stages" else {**stageset(), field: value}
    for problem in validate(raw):
        assert re.fullmatch(r"\S.*? (must|is|and|needs|shortens) .+", str(problem), re.DOTALL)


def test_unknown_metadata_is_no_problem() -> None:
    raw = stageset()
    raw["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    assert sentences(raw) == []


def test_expressions_are_compiled_by_the_caller() -> None:
    raw = with_stage(
        readyChecks={
            "exprs": [{"apiVersion": "v1", "kind": "Pod", "current": "status.", "failed": "true", "inProgress": ""}]
        }
    )
    asked: list[str] = []

    def compile_cel(text: str) -> str:
        asked.append(text)
        return "it ends too early" if text.endswith(".") else ""

    assert sentences(raw, compile_cel=compile_cel) == [
        'spec.stages[0].readyChecks.exprs[0].current is no usable CEL expression: it ends too early (in "status.")'
    ]
    assert asked == ["status.", "true"]
    assert sentences(raw) == []
