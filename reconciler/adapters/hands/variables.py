"""The variables of a stage's substitution, read as the tenant: ConfigMaps, Secrets, then what the spec spells out.

Values of Secrets are marked as such from here on. Only their names and versions are ever recorded.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple, Protocol

from reconciler.adapters.hands.tools import Tools, stage_of
from reconciler.api.types import StageSetSpec
from reconciler.api.types.stage import SubstituteReference
from reconciler.compute.fields import strings, text
from reconciler.compute.secrecy import Variable
from reconciler.errors import NotFound, OperationError
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.ports.hands import Target


class Wanted(Protocol):
    """Whose variables."""

    @property
    def target(self) -> Target: ...

    @property
    def spec(self) -> StageSetSpec: ...

    @property
    def stage(self) -> str: ...


class Variables(NamedTuple):
    """Values by name, and where they came from."""

    values: dict[str, Variable]
    #: `Kind/name@resourceVersion`
    origins: tuple[str, ...]

    @property
    def secrets(self) -> list[str]:
        """Values that must not be seen."""
        return [variable.value for variable in self.values.values() if variable.source]


async def read_variables(tools: Tools, wanted: Wanted) -> Variables:
    """The variables of a stage. Raises `OperationError` and `ClusterError` leaves."""
    post_build = stage_of(wanted.spec, wanted.stage).post_build
    values: dict[str, Variable] = {}
    origins: list[str] = []
    if post_build is None:
        return Variables(values, ())
    # CONTRACT §4.5: read as the StageSet's ServiceAccount, not the stage's, in the StageSet's namespace.
    namespace = wanted.target.namespace
    cluster = tools.clusters.local(namespace, wanted.spec.service_account_name).cluster
    for reference in post_build.substitute_from:
        found = await _read(cluster, reference, namespace=namespace)
        if found is None:
            origins.append(f"{reference.kind}/{reference.name}@absent")
            continue
        version = text(found, "metadata", "resourceVersion")
        origins.append(f"{reference.kind}/{reference.name}@{version}")
        values |= _values(found, reference, namespace=namespace, version=version)
    values |= {name: Variable(value) for name, value in post_build.substitute.items()}
    return Variables(values, tuple(origins))


async def _read(cluster: Cluster, reference: SubstituteReference, *, namespace: str) -> Object | None:
    try:
        return await cluster.get(Ref("v1", reference.kind, namespace, reference.name))
    except NotFound:
        if reference.optional:
            return None
        raise OperationError(
            f"postBuild.substituteFrom: {reference.kind} {namespace}/{reference.name} does not exist: create it, or "
            "mark it optional",
            reason="SubstituteFromNotFound",
            retryable=True,
        ) from None


def _values(found: Object, reference: SubstituteReference, *, namespace: str, version: str) -> dict[str, Variable]:
    data = strings(found, "data")
    if reference.kind == "ConfigMap":
        return {name: Variable(value) for name, value in data.items()}
    source = f"Secret/{namespace}/{reference.name}"
    return {
        name: Variable(_decoded(value, f"{source}.{name}"), f"{source}.{name}@{version}")
        for name, value in data.items()
    }


def _decoded(value: str, where: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise OperationError(
            f"postBuild.substituteFrom: {where} is not text: a variable must be UTF-8; take the key out of the Secret",
            reason="SubstituteFromInvalid",
            retryable=True,
        ) from None
