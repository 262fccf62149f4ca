"""The identity of an action: what makes it another one, and what does not."""

from __future__ import annotations

import pytest

from tests.reconciler.actions.acting import Acted, http, job, wait, with_actions


def key(action="one", **fields):
    options = {name: fields.pop(name) for name in ("revision", "generation") if name in fields}
    stream = Acted()
    stream.start(with_actions("db", pre=[http(action, **fields)]), **options)
    return stream.state.run.plans[0].actions[0].key


def test_tunables_and_what_is_sent_are_not_in_it():
    same = {key(), key(timeout="5m"), key(retries=7), key(generation=9), key(http={"url": "http://other.test/"})}
    assert len(same) == 1
    assert len(same.pop()) == 64


def test_the_revision_the_name_and_the_scope_are():
    different = [key(), key(revision="v2"), key(action="two"), key(scope="Lifetime")]
    assert len(set(different)) == 4
    assert key(scope="Lifetime") == key(scope="Lifetime", revision="v2")


def test_another_artifact_of_an_action_is_another_snapshot():
    plain, with_job = Acted(), Acted()
    plain.start(with_actions("db", pre=[http("one")]))
    with_job.start(with_actions("db", pre=[http("one"), job("two")]))
    assert plain.state.run.snapshot != with_job.state.run.snapshot
    assert [action.pin and action.pin.action for action in with_job.state.run.plans[0].actions] == [None, "two"]
    assert [pin.action for pin in with_job.state.run.plans[0].pins] == ["", "two"]


@pytest.mark.parametrize(
    ("action", "bounds"),
    [
        (http("a"), (0, 30_000)),
        (http("a", timeout="5m"), (300_000, 30_000)),
        (job("a"), (0, 600_000)),
        (wait("a", "45m"), (0, 2_700_000)),
        ({"name": "a", "wait": {"expr": "true", "target": {"kind": "Pod", "name": "p"}}}, (0, 300_000)),
        (
            {
                "name": "a",
                "timeout": "9m",
                "wait": {"expr": "true", "timeout": "2m", "target": {"kind": "Pod", "name": "p"}},
            },
            (120_000, 120_000),
        ),
        ({"name": "a", "delete": {"target": {"kind": "Pod", "name": "p"}}}, (0, 0)),
    ],
)
def test_how_long_an_action_may_take(action, bounds):
    stream = Acted()
    stream.start(with_actions("db", pre=[action]))
    (plan,) = stream.state.run.plans[0].actions
    assert (plan.timeout_ms, plan.bound_ms) == bounds
