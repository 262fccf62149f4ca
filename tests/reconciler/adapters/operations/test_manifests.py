from __future__ import annotations

import asyncio

from reconciler.adapters.operations.failures import unscrubbed
from reconciler.adapters.operations.manifests import Manifest, placed, served_kinds
from tests.reconciler.adapters.operations.scripted import Scripted


def test_a_placeholder_for_a_ca_does_not_reach_the_wire() -> None:
    client = {"caBundle": "Cg==", "url": "https://hook.example.com"}
    spec = {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client}}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}
    given = [Manifest(obj={**crd, "spec": spec}, digest="d")]
    (one,) = asyncio.run(placed(Scripted(), given, scrub=unscrubbed))
    sent = one.manifest.obj["spec"]["conversion"]["webhook"]["clientConfig"]
    assert sent == {"url": "https://hook.example.com"}


def test_kinds_that_a_definition_serves() -> None:
    crd = {
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True},
                {"name": "v0", "served": False},
                {"name": "v2", "served": True},
            ],
        },
    }
    assert served_kinds(crd) == [("example.com/v1", "Widget"), ("example.com/v2", "Widget")]
    assert served_kinds({}) == []
    assert served_kinds({"spec": {"group": "g", "names": {}, "versions": [{"name": "v1", "served": True}]}}) == []
