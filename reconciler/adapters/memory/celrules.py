"""CEL rules of CRDs (`x-kubernetes-validations`), transition rules included.

Evaluates with Google's CEL runtime on JSON values. A rule that it cannot compile, because it needs a library that only
the API server has, is refused when the CRD is created: never taken as passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.adapters.memory import status
from reconciler.adapters.memory.schema import Schema
from reconciler.adapters.memory.status import Cause, invalid
from reconciler.adapters.memory.typed import granular, index, same
from reconciler.adapters.memory.validation import shown


class Rule(NamedTuple):
    """A rule at a place: the steps to it (field names, `[]` for list items, `{}` for map values)."""

    steps: tuple[str, ...]
    text: str
    message: str
    transition: bool
    program: Any


def collect(schema: Schema) -> list[Rule]:
    """All rules of a type, compiled. Raises `Unsupported` naming the rule that cannot be compiled."""
    return [_compile(steps, rule) for steps, rule in _walk(schema, (), depth=0)]


def _walk(schema: Schema, steps: tuple[str, ...], *, depth: int) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if depth > 40:
        return
    for rule in schema.raw.get("x-kubernetes-validations") or ():
        yield steps, rule
    for name, child in schema.fields.items():
        if not (steps == () and name == "metadata"):
            yield from _walk(child, (*steps, name), depth=depth + 1)
    if schema.element is not None and schema.element.raw:
        yield from _walk(schema.element, (*steps, "[]" if schema.type == "array" else "{}"), depth=depth + 1)


def _compile(steps: tuple[str, ...], rule: dict[str, Any]) -> Rule:
    from cel_expr_python import cel  # type: ignore[import-untyped]  # the wheel has stubs, but no py.typed

    text = rule["rule"].strip()
    if "messageExpression" in rule and not rule.get("message"):
        raise status.unsupported(f"messageExpression of the CEL rule {text!r} without a message")
    environment = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})
    try:
        program = environment.compile(text)
    except Exception as error:  # noqa: BLE001 - the runtime raises several unrelated classes for what it cannot compile
        raise status.unsupported(f"the CEL rule {text!r}: {error}") from None
    message = rule.get("message") or f"failed rule: {text}"
    return Rule(steps, text, message, "oldSelf" in text, program)


def check(rules: list[Rule], schema: Schema, *, old: Any, new: Any) -> list[Cause]:
    """The rules that `new` breaks; transition rules are asked only where a value was and is."""
    causes = []
    for rule in rules:
        for path, before, after in _places(rule.steps, schema, path="", old=old, new=new):
            if rule.transition and (before is None or same(before, after)):
                continue
            if not _holds(rule, before, after=after):
                value = "" if isinstance(after, (dict, list)) else shown(after)
                causes.append(invalid(path, value, message=rule.message))
    return causes


#: Causes after which the API server does not evaluate rules. Source: apiextensions `customresource/validator.go`.
_BLOCKING = frozenset(
    {"FieldValueRequired", "FieldValueNotSupported", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany"}
)
_UNCHECKED = invalid(
    "<nil>",
    "null",
    message="some validation rules were not checked because the object was invalid; correct the existing errors "
    "to complete validation",
)


def check_after(causes: list[Cause], rules: list[Rule], *, schema: Schema, old: Any, new: Any) -> list[Cause]:
    """The causes of the schema and of the rules, which wait where a cause of the schema blocks them."""
    if not rules:
        return causes
    if any(cause.reason in _BLOCKING for cause in causes):
        return [*causes, _UNCHECKED]
    return causes + check(rules, schema, old=old, new=new)


def _holds(rule: Rule, before: Any, *, after: Any) -> bool:
    data = {"self": after, "oldSelf": before} if rule.transition else {"self": after}
    try:
        return rule.program.eval(data=data).value() is True
    except Exception:  # noqa: BLE001 - an evaluation error is a failed rule, as in the API server
        return False


def _places(steps: tuple[str, ...], schema: Schema, *, path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if new is None:
        return
    if not steps:
        yield path, old, new
        return
    step, rest = steps[0], steps[1:]
    if step == "[]" and isinstance(new, list):
        before = index(old, schema) if isinstance(old, list) and granular(old, schema) else {}
        matched = index(new, schema) if granular(new, schema) else {str(n): item for n, item in enumerate(new)}
        for number, (element, item) in enumerate(matched.items()):
            yield from _places(rest, schema.item, path=f"{path}[{number}]", old=before.get(element), new=item)
    elif isinstance(new, dict):
        for name in new if step == "{}" else (step,):
            before_value = old.get(name) if isinstance(old, dict) else None
            below = f"{path}.{name}" if path else name
            yield from _places(rest, schema.child(name), path=below, old=before_value, new=new.get(name))
