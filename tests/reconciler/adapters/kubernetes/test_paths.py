"""Paths and queries as the API server spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.kubernetes.paths import collection_path, group_path, object_path, with_query
from reconciler.errors import BadRequest
from reconciler.ports.cluster import Ref, Resource

PODS = Resource("v1", "Pod", "pods", True)
ROLES = Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False)


def test_the_core_group_and_the_others() -> None:
    assert group_path("v1") == "/api/v1"
    assert group_path("apps/v1") == "/apis/apps/v1"
    for bad in ("", "/", "apps/", "/v1", "a/b/c", "../v1"):
        with pytest.raises(BadRequest):
            group_path(bad)


def test_collections_and_objects() -> None:
    assert collection_path(PODS, namespace="") == "/api/v1/pods"
    assert (
        object_path(PODS, ref=Ref("v1", "Pod", "shop", "a"), subresource="log") == "/api/v1/namespaces/shop/pods/a/log"
    )
    name = "system:controller:a"
    assert object_path(ROLES, ref=Ref("x", "ClusterRole", "ignored", name)).endswith(f"/clusterroles/{name}")


def test_queries_leave_out_what_is_empty() -> None:
    assert with_query("/x", a="", b=0, c=False) == "/x"
    assert with_query("/x", a="b c&d=e", n=5, t=True) == "/x?a=b+c%26d%3De&n=5&t=true"


@given(st.text())
def test_a_name_is_one_segment_or_refused(name: str) -> None:
    try:
        path = object_path(PODS, ref=Ref("v1", "Pod", "shop", name))
    except BadRequest:
        return
    except UnicodeEncodeError:
        pytest.fail("a name must be refused, not crash")
    segment = path.removeprefix("/api/v1/namespaces/shop/pods/")
    assert segment
    assert segment not in (".", "..")
    assert not set(segment) & set("/?#\\ \r\n")
    assert path.isascii()
