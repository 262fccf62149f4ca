"""The text of a patch: YAML or JSON, checked before anything is touched, with the place of what is wrong."""

from __future__ import annotations

import pytest

from reconciler.adapters.hands.actions.patch_text import Patch, parse
from reconciler.api.types.actions import PatchAction, PatchTarget
from reconciler.errors import OperationError


def part(text: str, type_: str = "merge") -> PatchAction:
    return PatchAction(target=PatchTarget(kind="ConfigMap", name="a"), patch=text, type=type_)


@pytest.mark.parametrize(
    "text",
    ["data:\n  mode: 'on'\n", '{"data": {"mode": "on"}}', '{\n\t"data": {"mode": "on"}\n}', "{data: {mode: 'on'}}"],
)
def test_yaml_and_json_read_the_same(text):
    assert parse(part(text)) == Patch({"data": {"mode": "on"}}, "merge", repeatable=True)


def test_json_that_is_no_yaml_is_read():
    assert parse(part(r'{"data": {"mode": "\ud83d\ude00"}}')).value == {"data": {"mode": "\N{GRINNING FACE}"}}


def test_a_list_of_operations_may_be_yaml_or_json():
    yaml = "- {op: replace, path: /a, value: 1}\n"
    json = '[{"op": "replace", "path": "/a", "value": 1}]'
    assert parse(part(yaml, "json6902")) == parse(part(json, "json6902"))


def test_merge_is_the_default():
    assert parse(part("a: 1", None)).type == "merge"


@pytest.mark.parametrize(
    ("operation", "repeatable"),
    [
        ("{op: add, path: /data/a, value: 1}", True),
        ("{op: add, path: /data/2a, value: 1}", True),
        ("{op: replace, path: /spec/list/0, value: 1}", True),
        ("{op: replace, path: '', value: {}}", True),
        ("{op: add, path: /spec/list/-, value: 1}", False),
        ("{op: add, path: /spec/list/0, value: 1}", False),
        ("{op: remove, path: /data/a}", False),
        ("{op: move, from: /data/a, path: /data/b}", False),
        ("{op: copy, from: /data/a, path: /data/b}", False),
        ("{op: test, path: /data/a, value: 1}", False),
    ],
)
def test_what_may_be_sent_twice(operation, repeatable):
    assert parse(part(f"- {{op: add, path: /x, value: 1}}\n- {operation}", "json6902")).repeatable is repeatable


@pytest.mark.parametrize(
    ("text", "type_", "message"),
    [
        ("", "merge", "patch.patch is empty: write the patch as YAML or JSON"),
        ("---\n# nothing\n", "merge", "patch.patch is empty: write the patch as YAML or JSON"),
        (
            "a: 1\n---\nb: 2\n",
            "merge",
            "patch.patch has 2 documents: write one patch, and an action for each other one",
        ),
        ("a: 1\nb: [", "merge", "patch.patch, line 3, column 1: "),
        ('{\n  "a": 1,\n  "b": [}\n}', "merge", "patch.patch, line 3, column 9: "),
        ("a: 1\na: 2", "merge", "patch.patch, line 2, column 1: a mapping key that the same mapping already has"),
        ("[]", "merge", "patch.patch is no mapping of fields, which type merge needs; for a list of operations set"),
        ("just text", "merge", "patch.patch is no mapping of fields"),
        (
            "a: 1",
            "json6902",
            "patch.patch is no list of operations, which type json6902 needs; for fields to merge set",
        ),
        ("- a", "json6902", "patch.patch, operation 1 is no mapping with op and path"),
        ("- {path: /a}", "json6902", "patch.patch, operation 1: op must be add, remove, replace, move, copy or test"),
        ("- {op: [], path: /a}", "json6902", "patch.patch, operation 1: op must be add"),
        (
            "- {op: remove, path: /a}\n- {op: add, path: /a}",
            "json6902",
            "patch.patch, operation 2: add needs value",
        ),
        ("- {op: move, path: /a}", "json6902", "patch.patch, operation 1: move needs from"),
        ("- {op: remove}", "json6902", "patch.patch, operation 1: path must be a JSON pointer such as"),
        ("- {op: remove, path: data}", "json6902", "patch.patch, operation 1: path must be a JSON pointer such as"),
        ("- {op: copy, from: 1, path: /a}", "json6902", "patch.patch, operation 1: from must be a JSON pointer"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, type_, message):
    with pytest.raises(OperationError) as caught:
        parse(part(text, type_))
    assert (caught.value.reason, caught.value.retryable) == ("InvalidPatch", False)
    assert caught.value.message.startswith(message)
