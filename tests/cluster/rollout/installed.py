"""The shipped manifests, applied to a control plane with the real kubectl, and Flux's kinds beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.adapters.memory.flux import source_crds
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "deploy/manifests"
NAMESPACE, NAME = "stageset-system", "stageset-controller"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"


def install(plane: ControlPlane) -> None:
    """`kubectl apply -k deploy/manifests`, as the administrator would. Doing it again changes nothing."""
    kubectl = Kubectl(kubeconfig=plane.kubeconfig, namespace=NAMESPACE)
    kubectl("apply", "-k", str(MANIFESTS))
    kubectl.apply(*source_crds())
    kinds = [
        f"crd/{plural}"
        for plural in (
            "stagesets.stages.metio.wtf",
            "stageinventories.stages.metio.wtf",
            "stageledgers.stages.metio.wtf",
        )
    ]
    sources = [f"crd/{crd['metadata']['name']}" for crd in source_crds()]
    kubectl.wait("condition=Established", *kinds, *sources)


def shipped_arguments(kubectl: Kubectl) -> list[str]:
    """The arguments of the Deployment that is installed."""
    deployment: dict[str, Any] = json.loads(kubectl("get", "deployment", NAME, "-n", NAMESPACE, "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return list(container["args"])
