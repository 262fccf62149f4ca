"""The Secret with a kubeconfig: what is missing has a sentence of its own, and nothing of the content is in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.adapters.clusters import kubeconfigs
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.errors import OperationError
from tests.reconciler.adapters.clusters.remote import document, secret


def read(reference: str, *objects: dict[str, Any]) -> kubeconfigs.Found:
    async def inside() -> kubeconfigs.Found:
        cluster = MemoryCluster(lambda: 0.0)
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        for obj in objects:
            await cluster.create(obj)
        return await kubeconfigs.read(cluster, reference, namespace="shop")

    return asyncio.run(inside())


def test_a_kubeconfig_is_found_with_its_version_and_its_place():
    found = read("prod/kube", secret("prod", document("https://east.test"), key="kube"))
    assert found.where == 'Secret shop/prod, key "kube"'
    uid, _, version = found.version.partition("@")
    assert uid
    assert version
    assert asyncio.run(kubeconfigs.checked(found)).server == "https://east.test"


@pytest.mark.parametrize(
    ("reference", "reason", "message", "retryable"),
    [
        (
            "none/value",
            "KubeconfigMissing",
            "Secret shop/none does not exist: create it, or correct kubeConfig.secretRef",
            True,
        ),
        (
            "prod/other",
            "KubeconfigMissing",
            "Secret shop/prod has no key other: put the kubeconfig there, or correct kubeConfig.secretRef.key",
            True,
        ),
        (
            "prod",
            "KubeconfigInvalid",
            "kubeConfig.configMapRef (prod) is not supported: put a kubeconfig into a Secret and name it in "
            "kubeConfig.secretRef",
            False,
        ),
    ],
)
def test_what_is_not_there_is_told(reference, reason, message, retryable):
    with pytest.raises(OperationError) as refusal:
        read(reference, secret("prod", document("https://east.test")))
    assert (refusal.value.reason, refusal.value.message, refusal.value.retryable) == (reason, message, retryable)


def test_nothing_of_the_content_is_told():
    found = read("prod/value", secret("prod", "token: hunter2\n- broken"))
    with pytest.raises(OperationError) as refusal:
        asyncio.run(kubeconfigs.checked(found))
    assert refusal.value.message == 'the kubeconfig in Secret shop/prod, key "value" is not YAML (line 2, column 1).'


@pytest.mark.parametrize("there", [None, {"data": {}}, {"data": {"value": "*"}}])
def test_from_what_is_recorded_the_same_is_told_again(there):
    with pytest.raises(OperationError) as first:
        kubeconfigs.found_in(there, "prod/value", namespace="shop")
    with pytest.raises(OperationError) as again:
        kubeconfigs.missing_again(first.value.evidence, "prod/value", namespace="shop")
    assert (again.value.message, again.value.evidence) == (first.value.message, first.value.evidence)


def test_from_anything_else_nothing_is_told():
    kubeconfigs.missing_again({"kubeconfig": "seen"}, "prod/value", namespace="shop")
