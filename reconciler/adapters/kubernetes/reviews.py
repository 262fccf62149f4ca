"""Bodies and answers of the API's few non-object requests: tokens, access reviews, delete options.

Not a client. Invariant: a token that was granted appears in the returned tuple and nowhere else.
"""

from __future__ import annotations

from typing import Any

from reconciler.errors import Unavailable
from reconciler.ports.cluster import Cascade, Ref, Resource

#: Two built-in resources whose sub-resources are used without discovery.
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts", True)
PODS = Resource("v1", "Pod", "pods", True)
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def delete_options(*, uid: str, resource_version: str, cascade: Cascade) -> dict[str, Any]:
    """`meta/v1` DeleteOptions with the preconditions that are given."""
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": cascade}
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    present = {key: value for key, value in preconditions.items() if value}
    return {**options, "preconditions": present} if present else options


def token_request(expires_s: int) -> dict[str, Any]:
    """A TokenRequest for the API server's own audience."""
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": expires_s},
    }


def token_of(answer: Any, *, server: str) -> tuple[str, str]:
    """`(token, expirationTimestamp)` of an answered TokenRequest. Raises `Unavailable` when there is none."""
    status = answer.get("status") if isinstance(answer, dict) else None
    if isinstance(status, dict) and isinstance(status.get("token"), str) and status["token"]:
        return status["token"], str(status.get("expirationTimestamp") or "")
    raise Unavailable(f"{server} answered a TokenRequest without a token.")


def access_review(verb: str, ref: Ref, *, plural: str, subresource: str) -> dict[str, Any]:
    """A SelfSubjectAccessReview; an empty name or namespace means any."""
    group, slash, version = ref.api_version.rpartition("/")
    attributes = {
        "verb": verb,
        "group": group if slash else "",
        "version": version,
        "resource": plural,
        "subresource": subresource,
        "namespace": ref.namespace,
        "name": ref.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }


def is_allowed(answer: Any) -> bool:
    """`status.allowed`, which is true or the answer is no."""
    status = answer.get("status") if isinstance(answer, dict) else None
    return isinstance(status, dict) and status.get("allowed") is True
