"""Custom resources: establishing, validation, pruning, defaults, status, rules."""

from __future__ import annotations

import re
from typing import Any

from reconciler.errors import BadRequest, Conflict, Invalid, NoSuchKind, NotFound
from reconciler.ports.cluster import Object, Ref, Resource, Scope
from tests.contract.bench import Bench, condition, eventually, gone, refused


def _schema() -> Object:
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "size": {"type": "integer", "minimum": 1},
            "mode": {"type": "string", "enum": ["Fast", "Slow"], "default": "Fast"},
        },
    }
    spec = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "minItems": 1, "items": item, "x-kubernetes-list-type": "map",
                      "x-kubernetes-list-map-keys": ["name"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "fixed": {"type": "string", "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "fixed is immutable"}]},
            "pair": {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "x-kubernetes-validations": [
                    {"rule": "has(self.a) != has(self.b)", "message": "exactly one of a and b"}],
            },
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }  # fmt: skip
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    return {"type": "object", "properties": {"spec": spec, "status": status}}


def _group(bench: Bench) -> str:
    return re.sub(r"[^a-z0-9]", "", bench.namespace) + ".example.test"


def _crd(bench: Bench) -> Object:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{_group(bench)}"},
        "spec": {
            "group": _group(bench),
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [version],
        },
    }


def _widget(bench: Bench, **spec: Any) -> Object:
    return {
        "apiVersion": f"{_group(bench)}/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": bench.namespace},
        "spec": {"items": [{"name": "a"}], **spec},
    }


def _ref(bench: Bench) -> Ref:
    return Ref(f"{_group(bench)}/v1", "Widget", bench.namespace, "w")


def _crd_ref(bench: Bench) -> Ref:
    return Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"widgets.{_group(bench)}")


async def _install(bench: Bench) -> None:
    await bench.cluster.apply(_crd(bench), manager="one")
    await eventually(
        bench, lambda: bench.cluster.get(_crd_ref(bench)), lambda obj: condition(obj, "Established") == "True"
    )

    async def served() -> Resource | None:
        try:
            return await bench.cluster.resource(f"{_group(bench)}/v1", "Widget")
        except NoSuchKind:
            return None

    await eventually(bench, served, lambda found: found is not None)


async def _remove(bench: Bench) -> None:
    await bench.cluster.delete(_crd_ref(bench))
    await gone(bench, _crd_ref(bench))


async def kinds_come_and_go(bench: Bench) -> None:
    await refused(NoSuchKind, bench.cluster.resource(f"{_group(bench)}/v1", "Widget"))
    await _install(bench)
    found = await bench.cluster.resource(f"{_group(bench)}/v1", "Widget")
    assert (found.plural, found.namespaced, found.subresources) == ("widgets", True, frozenset({"status"}))
    crd = await bench.cluster.get(_crd_ref(bench))
    assert crd["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert crd["status"]["storedVersions"] == ["v1"]
    await bench.cluster.create(_widget(bench))
    await _remove(bench)
    await bench.cluster.apply(_crd(bench), manager="one")
    await _install(bench)
    assert (await bench.cluster.list(Scope(f"{_group(bench)}/v1", "Widget", bench.namespace))).items == []
    await _remove(bench)


async def values_are_validated(bench: Bench) -> None:
    await _install(bench)
    name = f'Widget.{_group(bench)} "w" is invalid: '

    async def problem(**spec: Any) -> str:
        error = await refused(Invalid, bench.cluster.create(_widget(bench, **spec)))
        assert error.message.startswith(name), error.message
        return error.message.removeprefix(name)

    obj = _widget(bench)
    obj["spec"] = {}
    error = await refused(Invalid, bench.cluster.create(obj))
    unchecked = (
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct "
        "the existing errors to complete validation"
    )
    assert error.message == f"{name}[spec.items: Required value, {unchecked}]"
    assert error.causes[0] == {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.items"}
    assert await problem(items=[]) == "spec.items: Invalid value: 0: spec.items in body should have at least 1 items"
    assert "spec.items[0].name: Required value" in await problem(items=[{}])
    assert "spec.items[0].name in body should match '^[a-z]+$'" in await problem(items=[{"name": "A"}])
    text = await problem(items=[{"name": "a", "mode": "Odd"}])
    assert 'spec.items[0].mode: Unsupported value: "Odd": supported values: "Fast", "Slow"' in text
    text = await problem(items=[{"name": "a", "size": 0}])
    assert "spec.items[0].size in body should be greater than or equal to 1" in text
    assert 'spec.items[1]: Duplicate value: {"name":"a"}' in await problem(items=[{"name": "a"}, {"name": "a"}])
    text = await problem(tags=[1])
    assert 'spec.tags[0]: Invalid value: "integer": spec.tags[0] in body must be of type string: "integer"' in text
    assert await problem(pair={}) == "spec.pair: Invalid value: exactly one of a and b"
    await _remove(bench)


async def unknown_fields_are_dropped_and_defaults_filled(bench: Bench) -> None:
    await _install(bench)
    made = await bench.cluster.create(_widget(bench, unknown=1, open={"any": {"thing": [1]}}))
    assert "unknown" not in made["spec"]
    assert made["spec"]["open"] == {"any": {"thing": [1]}}
    assert made["spec"]["items"] == [{"name": "a", "mode": "Fast"}]
    assert made["metadata"]["generation"] == 1
    await _remove(bench)


async def status_is_apart(bench: Bench) -> None:
    await _install(bench)
    made = await bench.cluster.create({**_widget(bench), "status": {"phase": "Early"}})
    assert "status" not in made
    done = await bench.cluster.replace(
        {**made, "status": {"phase": "Done"}, "spec": {"items": [{"name": "b"}]}}, subresource="status"
    )
    assert done["status"] == {"phase": "Done"}
    assert done["spec"]["items"][0]["name"] == "a"
    assert done["metadata"]["generation"] == 1
    assert done["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    await refused(Conflict, bench.cluster.replace({**made, "status": {"phase": "Late"}}, subresource="status"))
    kept = await bench.cluster.patch(_ref(bench), {"status": {"phase": "No"}, "spec": {"tags": ["x"]}}, type="merge")
    assert kept["status"] == {"phase": "Done"}
    assert kept["metadata"]["generation"] == 2
    patched = await bench.cluster.patch(_ref(bench), {"status": {"phase": "Again"}}, type="merge", subresource="status")
    assert patched["status"] == {"phase": "Again"}
    assert patched["metadata"]["generation"] == 2
    entry = next(e for e in patched["metadata"]["managedFields"] if e.get("subresource") == "status")
    assert "f:status" in entry["fieldsV1"]
    await _remove(bench)


async def transition_rules_hold(bench: Bench) -> None:
    await _install(bench)
    await bench.cluster.create(_widget(bench, fixed="1"))
    error = await refused(Invalid, bench.cluster.patch(_ref(bench), {"spec": {"fixed": "2"}}, type="merge"))
    assert 'spec.fixed: Invalid value: "2": fixed is immutable' in error.message
    await bench.cluster.patch(_ref(bench), {"spec": {"fixed": "1", "tags": ["x"]}}, type="merge")
    await _remove(bench)


async def apply_owns_fields_of_custom_resources(bench: Bench) -> None:
    await _install(bench)
    await bench.cluster.apply(_widget(bench, tags=["x"], open={"k": {"l": 1}}), manager="one")
    other = _widget(bench, items=[{"name": "b", "mode": "Slow"}])
    made = await bench.cluster.apply(other, manager="two", force=False)
    assert sorted(item["name"] for item in made["spec"]["items"]) == ["a", "b"]
    made = await bench.cluster.apply(_widget(bench), manager="one")
    assert "tags" not in made["spec"]
    assert "open" not in made["spec"]
    error = await refused(
        Conflict, bench.cluster.apply(_widget(bench, items=[{"name": "b", "mode": "Fast"}]), manager="one", force=False)
    )
    assert error.causes[0]["field"] == '.spec.items[name="b"].mode'
    again = await bench.cluster.apply(_widget(bench), manager="one")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    await _remove(bench)


async def strategic_patches_do_not_exist(bench: Bench) -> None:
    await _install(bench)
    await bench.cluster.create(_widget(bench))
    error = await refused(BadRequest, bench.cluster.patch(_ref(bench), {"spec": {}}, type="strategic"))
    assert error.status["code"] == 415
    await _remove(bench)


async def definitions_are_validated(bench: Bench) -> None:
    wrong = _crd(bench)
    wrong["metadata"]["name"] = f"other.{_group(bench)}"
    error = await refused(Invalid, bench.cluster.create(wrong))
    assert 'must be spec.names.plural+"."+spec.group' in error.message
    await refused(NotFound, bench.cluster.get(_crd_ref(bench)))
