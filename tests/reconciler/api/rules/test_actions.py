# ruff: noqa: E501 - a sentence is compared whole
from __future__ import annotations

from typing import Any

import pytest

from tests.reconciler.api.objects import sentences, stageset, with_stage

_WAIT = {"wait": {"duration": "1s"}}
_ANCHOR = {"apiVersion": "v1", "kind": "ConfigMap", "name": "done"}
_AT = "spec.stages[0].actions"


def _pre(**fields: Any) -> dict[str, Any]:
    return with_stage(actions={"pre": [{"name": "a", **_WAIT, **fields}]})


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            with_stage(actions={"pre": [{"name": "a"}]}),
            f"{_AT}.pre[0] must set exactly one of patch, http, wait, job, delete and apply, but sets none; add one",
        ),
        (
            _pre(http={"url": "https://a"}),
            f"{_AT}.pre[0] must set exactly one of patch, http, wait, job, delete and apply, but sets http and wait; "
            "keep one",
        ),
        (_pre(name=""), f"{_AT}.pre[0].name must not be empty"),
        (
            with_stage(actions={"pre": [{"name": "a", "http": {"url": "https://jane:secret@host/x"}}]}),
            f"{_AT}.pre[0].http.url holds a user name or password; put them into a Secret and name it in headersFrom, "
            "with the key Authorization",
        ),
        (
            with_stage(
                actions={
                    "pre": [{"name": "a", "http": {"url": "https://a", "headersFrom": [{"name": "s", "key": ""}]}}]
                }
            ),
            f"{_AT}.pre[0].http.headersFrom[0].key must not be empty",
        ),
        (
            _pre(wait={"duration": "30m"}, timeout="10m"),
            f"{_AT}.pre[0].timeout is 10m, less than the 30m of wait.duration: it could never end well; raise it, or "
            "remove it",
        ),
        (
            with_stage(actions={"pre": [{"name": "a", **_WAIT}], "onFailure": [{"name": "a", **_WAIT}]}),
            f'{_AT}.onFailure[0].name is "a", as is {_AT}.pre[0].name; the names of a stage\'s actions must differ: '
            "rename one",
        ),
        (
            stageset(onRollback=[{"name": "a", **_WAIT}, {"name": "a", **_WAIT}]),
            'spec.onRollback[1].name is "a", as is spec.onRollback[0].name; the names of actions in one list must differ: '
            "rename one",
        ),
        (_pre(scope="Once"), f'{_AT}.pre[0].scope must be Lifetime, Revision or Version, not "Once"'),
        (
            with_stage(actions={"onFailure": [{"name": "a", "scope": "Revision", **_WAIT}]}),
            f"{_AT}.onFailure[0].scope is not allowed on onFailure actions; remove it",
        ),
        (
            stageset(onRollback=[{"name": "a", "scope": "Revision", **_WAIT}]),
            "spec.onRollback[0].scope is not allowed on onRollback actions; remove it",
        ),
        (
            _pre(scope="Version"),
            f"{_AT}.pre[0].scope is Version, which needs spec.version; add spec.version or use another scope",
        ),
        (
            _pre(completionAnchor=_ANCHOR),
            f"{_AT}.pre[0].completionAnchor is only for actions with scope Lifetime; remove it or set scope: Lifetime",
        ),
        (
            with_stage(actions={"onFailure": [{"name": "a", "completionAnchor": _ANCHOR, **_WAIT}]}),
            f"{_AT}.onFailure[0].completionAnchor is not allowed on onFailure actions; remove it",
        ),
        (
            _pre(scope="Lifetime", completionAnchor={**_ANCHOR, "apiVersion": ""}),
            f"{_AT}.pre[0].completionAnchor.apiVersion must not be empty",
        ),
        (
            _pre(scope="Lifetime", completionAnchor={**_ANCHOR, "kind": ""}),
            f"{_AT}.pre[0].completionAnchor.kind must not be empty",
        ),
        (
            _pre(scope="Lifetime", completionAnchor={**_ANCHOR, "name": ""}),
            f"{_AT}.pre[0].completionAnchor.name must not be empty",
        ),
        (
            with_stage(actions={"post": [{"name": "a", "job": {"sourceRef": {"kind": "Chart", "name": "b"}}}]}),
            f"{_AT}.post[0].job.sourceRef.apiVersion is required for kind Chart, which is not a Flux source; add its "
            "group and version",
        ),
    ],
)
def test_rules_of_actions(raw: dict[str, Any], sentence: str) -> None:
    assert sentences(raw) == [sentence]


@pytest.mark.parametrize(
    "raw",
    [
        _pre(),
        _pre(scope="Revision"),
        _pre(scope="Lifetime"),
        _pre(scope="Lifetime", completionAnchor=_ANCHOR),
        {**_pre(scope="Version"), "spec": {**_pre(scope="Version")["spec"], "version": {"value": "1.0.0"}}},
        with_stage(actions={"pre": [{"name": "a", "wait": {}}]}),
        with_stage(actions={"pre": [{"name": "a", **_WAIT}], "post": [{"name": "b", **_WAIT}]}),
        stageset(onRollback=[{"name": "a", **_WAIT}, {"name": "b", **_WAIT}]),
        stageset(
            stages=with_stage(actions={"pre": [{"name": "a", **_WAIT}]})["spec"]["stages"],
            onRollback=[{"name": "a", **_WAIT}],
        ),
    ],
)
def test_what_the_rules_of_actions_allow(raw: dict[str, Any]) -> None:
    assert sentences(raw) == []
