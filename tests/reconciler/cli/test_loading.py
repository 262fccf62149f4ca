from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.cli.loading import CannotLoad, load, objects, read
from reconciler.ports.cluster import Ref

SOURCE = """
apiVersion: source.toolkit.fluxcd.io/v1
kind: ExternalArtifact
metadata: {name: shop, uid: somebody-elses, resourceVersion: "7"}
status:
  conditions: [{type: Ready, status: "True", reason: Ok, message: "", lastTransitionTime: "2030-01-31T12:00:00Z"}]
"""


def loaded(text: str, ref: Ref) -> dict[str, Any]:
    """What the cluster has after a file was loaded."""

    async def run() -> dict[str, Any]:
        cluster = MemoryCluster(lambda: 1_900_000_000.0)
        for definition in source_crds():
            await cluster.create(definition)
        await cluster.tick()
        await load(cluster, "it.yaml", text)
        return await cluster.get(ref)

    return asyncio.run(run())


def test_a_namespaced_object_without_a_namespace_goes_to_default() -> None:
    found = loaded("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", Ref("v1", "ConfigMap", "default", "a"))
    assert found["metadata"]["namespace"] == "default"


def test_the_status_of_a_custom_resource_is_loaded_and_the_servers_fields_are_its_own() -> None:
    found = loaded(SOURCE, Ref("source.toolkit.fluxcd.io/v1", "ExternalArtifact", "default", "shop"))
    assert found["status"]["conditions"][0]["status"] == "True"
    assert found["metadata"]["uid"] != "somebody-elses"


def test_a_namespace_and_what_is_in_it_stand_in_one_file() -> None:
    text = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}]}
"""
    assert loaded(text, Ref("v1", "ConfigMap", "shop", "a"))


def test_what_the_cluster_refuses_is_told_with_file_and_document() -> None:
    config = "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {}}}}}"
    text = "\n---\n".join(map(config.format, ("default", "nowhere")))
    with pytest.raises(CannotLoad, match=r'^it.yaml, document 2: namespaces "nowhere" not found'):
        loaded(text, Ref("v1", "ConfigMap", "nowhere", "a"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "^it.yaml is not YAML: "),
        ("[1, 2]", "^it.yaml, document 1 is not a manifest: it needs apiVersion and kind"),
        ("{kind: List, items: [7]}", r"^it.yaml, document 1, items\[0\] is not a manifest"),
    ],
)
def test_a_file_that_holds_no_manifests_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(CannotLoad, match=sentence):
        list(objects("it.yaml", text))


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CannotLoad, match=r"^/nowhere/it\.yaml cannot be read: No such file"):
        read("/nowhere/it.yaml")
