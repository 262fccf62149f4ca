"""Whether a StageSet is right: one function for the controller, the command line and the webhook.

Not whether the controller supports it yet (`reconciler.api.support`), and nothing that needs a cluster. Invariant: an
object without problems decodes, and every rule of CONTRACT §1.2 holds for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reconciler.api import decode, names, schema, semver, structure
from reconciler.api.problems import Problem, quoted
from reconciler.api.rules import actions, common, gates, stages, versions
from reconciler.api.rules.stages import CompileCel
from reconciler.api.types import StageSet, StageSetSpec


def validate(stageset: Mapping[str, Any] | StageSet, *, compile_cel: CompileCel | None = None) -> list[Problem]:
    """Everything wrong with a StageSet, in the order of its fields' rules; empty where it is right.

    A raw object is also checked for its shape and for fields that the API does not have; its status is not looked at.
    `compile_cel` says of an expression why it cannot be used, or nothing; without it expressions are not checked.
    """
    if isinstance(stageset, StageSet):
        return list(_rules(stageset, compile_cel=compile_cel))
    plain = structure.without_nulls({name: part for name, part in stageset.items() if name != "status"})
    node = schema.of(StageSet)
    found = [*_identity(plain), *structure.problems(plain, node, path="")]
    strange = list(structure.unknown(plain | {"metadata": {}}, node, path=""))
    if found:
        return found + strange
    return strange + list(_rules(decode.stageset(plain), compile_cel=compile_cel))


def _identity(plain: Mapping[str, Any]) -> Iterator[Problem]:
    for name, expected in (("apiVersion", names.API_VERSION), ("kind", "StageSet")):
        found = plain.get(name, expected)
        if isinstance(found, str) and found != expected:
            yield Problem(name, f"must be {expected}, not {quoted(found)}")


def _rules(stageset: StageSet, *, compile_cel: CompileCel | None) -> Iterator[Problem]:
    spec = stageset.spec
    if not spec.stages:
        yield Problem("spec.stages", "must have at least 1 item; add one")
    yield from stages.check(spec, compile_cel=compile_cel)
    yield from versions.check(spec, namespace=stageset.metadata.namespace)
    yield from _top_level(spec)
    yield from actions.of_separate_list(spec.on_rollback, path="spec.onRollback", where="onRollback actions")
    if spec.error_budget:
        yield from gates.error_budget(spec.error_budget, path="spec.errorBudget")
    yield from gates.windows(spec.update_windows)


def _top_level(spec: StageSetSpec) -> Iterator[Problem]:
    """Rules 7, 8 and 12."""
    if spec.decryption and spec.decryption.secret_ref:
        yield from common.required(spec.decryption.secret_ref.name, path="spec.decryption.secretRef.name")
    if spec.kube_config:
        refs = (("secretRef", spec.kube_config.secret_ref), ("configMapRef", spec.kube_config.config_map_ref))
        given = [(name, ref) for name, ref in refs if isinstance(ref, msgspec.Struct)]
        yield from common.exactly_one(
            (name for name, _ in given), of="secretRef and configMapRef", path="spec.kubeConfig"
        )
        for name, ref in given:
            yield from common.required(ref.name, path=f"spec.kubeConfig.{name}.name")
    for index, dependency in enumerate(spec.depends_on):
        path = f"spec.dependsOn[{index}]"
        yield from common.required(dependency.name, path=f"{path}.name")
        if dependency.min_version and not semver.is_version(dependency.min_version):
            text = quoted(dependency.min_version)
            yield Problem(f"{path}.minVersion", f"must be a semantic version such as 1.2.3, not {text}")
