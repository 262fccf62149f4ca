from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.operations.failures import (
    EVIDENCE_MAX,
    evidence,
    failure_of,
    granted,
    summary,
    terminating,
    told,
)
from reconciler.ports.cluster import Ref

WEB = Ref("apps/v1", "Deployment", "shop", "web")


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (
            'deployments.apps "web" is forbidden: User "alice" cannot patch resource "deployments" in API group "apps"'
            ' in the namespace "shop"',
            "give alice a Role that allows patch on deployments.apps in namespace shop: "
            '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}',
        ),
        (
            'namespaces is forbidden: User "alice" cannot create resource "namespaces" in API group "" at the cluster'
            " scope",
            "give alice a ClusterRole that allows create on namespaces in the whole cluster: "
            '{apiGroups: [""], resources: ["namespaces"], verbs: ["create"]}',
        ),
        ('pods "x" is forbidden: exceeded quota: compute', ""),
    ],
)
def test_what_is_denied_says_what_to_grant(message: str, hint: str) -> None:
    failure = failure_of(errors.Forbidden(message), ref=WEB)
    assert failure.hint == hint
    assert bool(granted(failure)) == bool(evidence([failure]).get("grant")) == bool(hint)
    said, seen = told(errors.Forbidden(message))
    assert said == (f"{message}; {hint}" if hint else message)
    assert seen == granted(failure)
    # Whoever was closer said so already.
    assert told(errors.Forbidden(said))[0] == said


@pytest.mark.parametrize(
    ("error", "retryable", "hint"),
    [
        (errors.Unauthorized("Unauthorized"), True, "the cluster does not accept the credential"),
        (errors.NotFound('namespaces "shop" not found'), True, "create the Namespace shop in this or an earlier stage"),
        (errors.NoSuchKind("no"), True, "install its CustomResourceDefinition in this or an earlier stage"),
        (errors.Invalid("spec.replicas: Invalid value: -1"), False, ""),
        (errors.BadRequest("strict decoding error"), False, ""),
        (errors.Unsupported("not imitated"), False, ""),
        (errors.Unavailable("no route"), True, ""),
        (errors.TooManyRequests("slow down"), True, ""),
    ],
)
def test_what_may_succeed_later(error: errors.ClusterError, retryable: bool, hint: str) -> None:
    failure = failure_of(error, ref=WEB)
    assert failure.retryable is retryable
    assert failure.hint.startswith(hint)
    assert bool(failure.hint) is bool(hint)
    assert failure.message == f"Deployment shop/web: {error.message}"


def test_a_namespace_that_is_going_away_heals() -> None:
    cause = {"reason": "NamespaceTerminating", "message": "namespace shop is being terminated"}
    error = errors.Forbidden("is being terminated", status={"details": {"causes": [cause]}})
    assert failure_of(error, ref=WEB).retryable


def test_proved_fields_give_the_reason_and_the_rule_that_would_help() -> None:
    error = errors.Invalid("no", status={"reason": "Invalid"})
    assert failure_of(error, ref=WEB).reason == "Invalid"
    failure = failure_of(error, ref=WEB, immutable=("spec.selector",))
    assert (failure.reason, failure.retryable, failure.immutable) == ("ImmutableField", False, ("spec.selector",))
    rule = "in stages[].conflictPolicy.rules: {target: {kind: Deployment, name: web}, action: Recreate}"
    assert "cannot change spec.selector: restore the old value, or allow that the object is deleted" in failure.hint
    assert f"made anew with a rule {rule}" in failure.hint
    claim = Ref("v1", "PersistentVolumeClaim", "shop", "data")
    hint = failure_of(error, ref=claim, immutable=("spec",)).hint
    assert "deleted, with the data of its volume, and made anew" in hint
    assert "action: Recreate, allowDataLoss: true}" in hint


def test_what_is_on_its_way_out_is_tried_again() -> None:
    failure = terminating(WEB)
    assert (failure.reason, failure.retryable) == ("Terminating", True)
    assert failure.message.startswith("Deployment shop/web is being deleted")


def test_evidence_is_bounded_json() -> None:
    status: dict[str, Any] = {"code": 403, "details": {"causes": [{"field": "a"}]}}
    failures = [failure_of(errors.Forbidden("no", status=status), ref=WEB)] * (EVIDENCE_MAX + 5)
    found = json.loads(json.dumps(evidence(failures)))
    assert len(found["failures"]) == EVIDENCE_MAX
    assert found["leftOut"] == 5
    assert found["failures"][0]["status"] == status
    assert summary(failures[:2], what="object") == "Deployment shop/web: no; 1 other object failed too"
    assert summary(failures[:3], what="object") == "Deployment shop/web: no; 2 other objects failed too"


def test_a_manifest_that_does_not_fit_its_schema_is_permanent_although_the_answer_is_a_500() -> None:
    sentence = (
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric"
    )
    failure = failure_of(errors.Unavailable(sentence, status={"code": 500}), ref=WEB)
    assert (failure.reason, failure.retryable) == ("Invalid", False)
    assert failure_of(errors.Unavailable("etcd is gone"), ref=WEB).retryable
