from __future__ import annotations

import inspect
import typing

import msgspec
import pytest

import reconciler.api.types as api_types
from reconciler.api import schema
from reconciler.api.types import (
    actions,
    gates,
    inventory,
    ledger,
    metadata,
    metrics,
    references,
    sources,
    status,
    versions,
)
from reconciler.api.types import stage as stage_types
from reconciler.api.types import stageset as stageset_types

_MODULES = (
    actions, gates, inventory, ledger, metadata, metrics, references, sources,
    stage_types, stageset_types, status, versions,
)  # fmt: skip
_STRUCTS = [
    found
    for module in _MODULES
    for _, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, msgspec.Struct) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("struct", _STRUCTS, ids=lambda struct: struct.__name__)
def test_every_type_follows_the_conventions(struct: type[msgspec.Struct]) -> None:
    config = struct.__struct_config__
    assert (config.frozen, config.omit_defaults) == (True, True)
    parameters = inspect.signature(struct).parameters.values()
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    assert (struct.__doc__ or "").strip().endswith(".")
    for name, field in schema.of(struct).fields.items():
        assert field.node.description.endswith("."), f"{struct.__name__}.{name} says nothing"
        assert "_" not in name


@pytest.mark.parametrize("struct", _STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_uses_the_one_annotation(struct: type[msgspec.Struct]) -> None:
    hints = typing.get_type_hints(struct, include_extras=True)
    for name in struct.__struct_fields__:
        metas = getattr(hints[name], "__metadata__", ())
        assert any(isinstance(meta, msgspec.Meta) and meta.description for meta in metas), f"{struct.__name__}.{name}"


def test_patterns_come_with_words() -> None:
    for struct in _STRUCTS:
        for name, field in schema.of(struct).fields.items():
            assert not field.node.pattern or field.node.form or field.node.expects, f"{struct.__name__}.{name}"


def test_what_is_exported_exists_once() -> None:
    assert sorted(set(api_types.__all__)) == sorted(api_types.__all__)
    assert all(hasattr(api_types, name) for name in api_types.__all__)


def test_a_field_that_is_a_word_of_python_keeps_its_name_in_the_api() -> None:
    window = gates.Window(type="Deny", from_="2006-01-02T15:04:05Z")
    assert msgspec.json.decode(msgspec.json.encode(window)) == {"type": "Deny", "from": "2006-01-02T15:04:05Z"}


def test_what_holds_anyway_is_not_written() -> None:
    found = stage_types.Stage(name="a", source_ref=sources.SourceRef(name="b"))
    assert msgspec.to_builtins(found) == {"name": "a", "sourceRef": {"name": "b"}}
    assert msgspec.to_builtins(status.StageSetStatus()) == {}


def test_a_stage_ledger_is_read() -> None:
    raw = {
        "metadata": {"name": "shop"},
        "spec": {"baseline": [{"stage": "a", "action": "b"}]},
        "status": {
            "completedActions": [
                {"stage": "a", "action": "b", "origin": "Executed", "completedAt": "2006-01-02T15:04:05Z"}
            ]
        },
    }
    found = msgspec.convert(raw, ledger.StageLedger)
    assert found.spec.baseline[0].action == "b"
    assert found.status.completed_actions[0].origin == "Executed"


def test_an_inventory_is_read() -> None:
    raw = {"metadata": {"name": "a"}, "spec": {"stagePosition": 1, "entries": [{"id": "_a__Namespace", "v": "v1"}]}}
    assert msgspec.convert(raw, inventory.StageInventory).spec.entries[0].id == "_a__Namespace"
