# ruff: noqa: E501 - a sentence is compared whole
from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import crd, schema, structure
from reconciler.api.types import StageSet
from tests.reconciler.api.objects import ALL, example, sentences, stage, stageset, with_stage

_NODE = schema.of(StageSet)
_OPEN_API = crd.document(crd.CRDS[0])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def _problems(raw: Any) -> list[str]:
    return [str(problem) for problem in structure.problems(raw, _NODE, path="")]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (stageset(interval=10), "spec.interval must be a string, not the number 10; put it in quotes"),
        (stageset(suspend="yes"), 'spec.suspend must be true or false, not the string "yes"; write it without quotes'),
        (stageset(stages={"name": "a"}), "spec.stages must be a list, not an object"),
        (stageset(stages=[]), "spec.stages must have at least 1 item; add one"),
        (stageset(stages=["app"]), 'spec.stages[0] must be an object, not the string "app"'),
        (stageset(kubeConfig=[]), "spec.kubeConfig must be an object, not a list"),
        (
            stageset(timeout="soon"),
            'spec.timeout must be a Go duration such as 30s, 10m or 1h30m, not "soon"',
        ),
        (stageset(onTimeout="hold"), 'spec.onTimeout must be Fail, Hold or Rollback, not "hold" (did you mean Hold?)'),
        (stageset(onTimeout="Wait"), 'spec.onTimeout must be Fail, Hold or Rollback, not "Wait"'),
        (
            with_stage(name="App_1"),
            "spec.stages[0].name must consist of lower-case letters, digits and hyphens, beginning and ending with a "
            'letter or digit, not "App_1"',
        ),
        (
            stageset(stages=[{"name": "a"}]),
            "spec.stages[0].sourceRef is required (source of the stage's manifests); add it",
        ),
        (
            with_stage(actions={"pre": [{"name": "a", "retries": 101}]}),
            "spec.stages[0].actions.pre[0].retries must be between 0 and 100, not 101",
        ),
        (
            with_stage(actions={"pre": [{"name": "a", "retries": "3"}]}),
            'spec.stages[0].actions.pre[0].retries must be a whole number, not the string "3"; write it without quotes',
        ),
        (
            with_stage(actions={"pre": [{"name": "a", "retries": True}]}),
            "spec.stages[0].actions.pre[0].retries must be a whole number, not the boolean true",
        ),
        (
            with_stage(postBuild={"substitute": {"REPLICAS": 3}}),
            "spec.stages[0].postBuild.substitute.REPLICAS must be a string, not the number 3; put it in quotes",
        ),
        (
            with_stage(postBuild={"substitute": {"a.b": True}}),
            'spec.stages[0].postBuild.substitute["a.b"] must be a string, not the boolean true; put it in quotes',
        ),
        (
            with_stage(postBuild={"substitute": {1: "x"}}),
            "spec.stages[0].postBuild.substitute must have strings as keys, not the number 1; put the key in quotes",
        ),
        (
            {**stageset(), "spec": {True: 1, **stageset()["spec"]}},
            "spec must have strings as keys, not the boolean true; put the key in quotes",
        ),
        ({**stageset(), 1: 2}, "the object must have strings as keys, not the number 1; put the key in quotes"),
        (
            stageset(updateWindows=[{"type": "Allow", "from": "2006-01-02", "to": "2007-01-02T00:00:00Z"}]),
            'spec.updateWindows[0].from must be an RFC 3339 time such as 2006-01-02T15:04:05Z, not "2006-01-02"',
        ),
    ],
)
def test_a_wrong_shape_is_told_with_its_place_and_remedy(raw: dict[str, Any], sentence: str) -> None:
    assert _problems(raw) == [sentence]


def test_limits_of_conditions_are_told() -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2006-01-02T15:04:05Z"}
    raw = {**stageset(), "status": {"conditions": [{**condition, "reason": "", "message": "x" * 32769}]}}
    assert _problems(raw) == [
        "status.conditions[0].reason must not be empty",
        "status.conditions[0].message must not be longer than 32768 characters, but has 32769; shorten it",
    ]


def test_every_problem_is_found_not_only_the_first() -> None:
    raw = stageset(interval=1, suspend=2, stages=[stage(path=3), {"name": "B"}])
    assert [line.split(" ")[0] for line in _problems(raw)] == [
        "spec.stages[0].path",
        "spec.stages[1].name",
        "spec.stages[1].sourceRef",
        "spec.interval",
        "spec.suspend",
    ]


def test_null_counts_as_absent() -> None:
    assert _problems(stageset(interval=None, dependsOn=None)) == []
    assert _problems({**stageset(), "spec": None}) == ["spec is required (what should be rolled out, and how); add it"]
    assert structure.without_nulls({"a": None, "b": [{"c": None}], "d": {"e": 1}}) == {"b": [{}], "d": {"e": 1}}


def test_unknown_fields_are_told_with_the_nearest_known_one() -> None:
    raw = stageset(intervall="1m", stages=[stage(sourceref={}, readyChecks={"check": []})], zzz=1)
    assert [str(problem) for problem in structure.unknown(raw, _NODE, path="")] == [
        "spec.stages[0].sourceref is not a field of this API (did you mean sourceRef?); correct its name or remove it",
        "spec.stages[0].readyChecks.check is not a field of this API (did you mean checks?); correct its name or remove it",
        "spec.intervall is not a field of this API (did you mean interval?); correct its name or remove it",
        "spec.zzz is not a field of this API; correct its name or remove it",
    ]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in _places(part, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = _replaced(value[path[0]], path[1:], new)
    return changed


_MUTATIONS = [
    (name, place) for name in ALL for place in _places(example(name)) if place[:1] == ("spec",) and len(place) > 1
]
_VALUES = st.one_of(
    st.sampled_from(
        ["", "x", "1h", "Hold", "2006-01-02T15:04:05Z", 0, -1, 2**31, 1.5, True, [], {}, [{}], {"name": "a"}]
    ),
    st.text(max_size=3),
)


@given(st.sampled_from(_MUTATIONS), _VALUES)
def test_the_checks_the_decoder_and_the_crd_agree(mutation: tuple[str, tuple[Any, ...]], value: Any) -> None:
    name, place = mutation
    raw = _replaced(example(name), place, value)
    found = _problems(raw)
    validator = jsonschema.Draft202012Validator(_OPEN_API)
    schema_errors = [error.message for error in validator.iter_errors(raw)]
    if not found:
        msgspec.convert(raw, StageSet)
        assert schema_errors == []
    # What only the checks know: the calendar, the range of a duration, an integer's format, a line break at the end.
    softer = ("RFC 3339", "292 years", "must be between")
    if found and not schema_errors:
        assert all(any(mark in line for mark in softer) or "\n" in line for line in found), found


@pytest.mark.parametrize("name", ALL)
def test_the_examples_have_the_right_shape(name: str) -> None:
    assert _problems(example(name)) == []
    assert sentences(example(name)) == []
    jsonschema.Draft202012Validator(_OPEN_API).validate(example(name))
