"""The text of a patch action, read and checked before anything is touched.

Not its effect on an object. Invariant: an error names the place in the text, and quotes nothing of it.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from reconciler.api.types.actions import PatchAction
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

_FIELD = "patch.patch"
#: Operations (RFC 6902, section 4) and the members that each needs beside `op` and `path`.
_NEEDS = {"add": "value", "replace": "value", "test": "value", "remove": "", "move": "from", "copy": "from"}


class Patch(NamedTuple):
    """A patch as it is sent."""

    #: fields to merge, or a list of operations
    value: Any
    type: Literal["merge", "json6902"]
    #: whether applying it to an object that already has it leaves that object as it is, and is never refused for it
    repeatable: bool


def parse(part: PatchAction) -> Patch:
    """The patch. Raises `OperationError` (`InvalidPatch`, not retryable)."""
    value = _value(part.patch)
    if part.type != "json6902":
        if not isinstance(value, dict):
            raise _wrong("is no mapping of fields, which type merge needs; for a list of operations set type: json6902")
        return Patch(value, "merge", repeatable=True)
    if not isinstance(value, list):
        raise _wrong("is no list of operations, which type json6902 needs; for fields to merge set type: merge")
    for number, operation in enumerate(value, 1):
        _check(operation, number)
    return Patch(value, "json6902", repeatable=all(_sets(operation) for operation in value))


def _value(text: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            # YAML in flow style, or JSON with a mistake: only the YAML reader says where.
            pass
    try:
        found = [document.value for document in documents(text)]
    except YAMLProblem as problem:
        raise _wrong(f"line {problem.line}, column {problem.column}: {problem.problem}", sep=", ") from None
    values = [value for value in found if value is not None]
    if not values:
        raise _wrong("is empty: write the patch as YAML or JSON")
    if len(values) > 1:
        raise _wrong(f"has {len(values)} documents: write one patch, and an action for each other one")
    return values[0]


def _check(operation: Any, number: int) -> None:
    at = f"operation {number}"
    if not isinstance(operation, dict):
        raise _wrong(f"{at} is no mapping with op and path", sep=", ")
    op = operation.get("op")
    if not isinstance(op, str) or op not in _NEEDS:
        raise _wrong(f"{at}: op must be add, remove, replace, move, copy or test", sep=", ")
    needed = _NEEDS[op]
    if needed and needed not in operation:
        raise _wrong(f"{at}: {op} needs {needed}", sep=", ")
    for field in ("path", "from") if needed == "from" else ("path",):
        pointer = operation.get(field)
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise _wrong(f"{at}: {field} must be a JSON pointer such as /metadata/labels/app (RFC 6901)", sep=", ")


def _sets(operation: dict[str, Any]) -> bool:
    """Whether it sets a field to a value: an item that is added to a list is there twice after two times."""
    last = operation["path"].rpartition("/")[2]
    into_list = last == "-" or last.isdecimal()
    return operation["op"] == "replace" or (operation["op"] == "add" and not into_list)


def _wrong(problem: str, *, sep: str = " ") -> OperationError:
    return OperationError(f"{_FIELD}{sep}{problem}", reason="InvalidPatch", retryable=False)
