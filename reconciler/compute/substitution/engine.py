"""Evaluates a parsed text with variables, and says where it failed.

Not a YAML reader: the object that an error names is found by looking at the lines around, for the reader's sake only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.compute.substitution.operators import DEFAULTS, OPERATORS
from reconciler.compute.substitution.parser import BadExpression, Expansion, Template, parse
from reconciler.errors import OperationError

_KIND = re.compile(r"^kind: (\S+)$", re.MULTILINE)
_NAME = re.compile(r"^metadata:\n(?:[ ].*\n)*?  name: (\S+)$", re.MULTILINE)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with every expansion replaced; the same text when there are no variables at all.

    Grammar: `${v}`, `${v:-d}` (also `:=`, `=`, `:?`, `:+`), `${#v}`, `${v^}`, `${v^^}`, `${v,}`, `${v,,}`,
    `${v:n}`, `${v:n:len}`, `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`, `${v/p/r}`, `${v//p/r}`, `${v/#p/r}`,
    `${v/%p/r}`, and `$$` for a dollar sign. Defaults are only evaluated when they are needed. Raises
    `OperationError` (reason `SubstitutionFailed`) with the line and column in the rendered text.
    """
    if not variables or ("${" not in text and "$$" not in text):
        return text
    try:
        return _evaluate(parse(text), variables)
    except BadExpression as error:
        raise _failure(text, error) from None


def _evaluate(template: Template, variables: Mapping[str, str]) -> str:
    return "".join(part if isinstance(part, str) else _expand(part, variables) for part in template)


def _expand(expansion: Expansion, variables: Mapping[str, str]) -> str:
    value = variables.get(expansion.name)
    if expansion.operator in DEFAULTS:
        return value or _evaluate(expansion.args[0], variables)
    if value is None:
        raise BadExpression(
            "is not defined: set it in postBuild.substitute or in an object of postBuild.substituteFrom, "
            f"give it a default (${{{expansion.name}:-value}}), or write $${{…}} if the text is meant literally",
            name=expansion.name,
            at=expansion.at,
        )
    args = [_evaluate(arg, variables) for arg in expansion.args]
    try:
        return OPERATORS[expansion.operator](value, args)
    except UnicodeDecodeError:
        problem = "is cut inside a character of more than one byte: offsets count bytes"
        raise BadExpression(problem, name=expansion.name, at=expansion.at) from None


def _failure(text: str, error: BadExpression) -> OperationError:
    line = text.count("\n", 0, error.at) + 1
    column = error.at - text.rfind("\n", 0, error.at)
    subject = f'variable "{error.name}"' if error.name else "the expression ${…}"
    where = f"line {line}, column {column} of the rendered manifests{_object_at(text, error.at)}"
    return OperationError(
        f"post-build substitution: {where}: {subject} {error.problem}",
        reason="SubstitutionFailed",
        retryable=False,
        evidence={"variable": error.name, "line": line, "column": column},
    )


def _object_at(text: str, at: int) -> str:
    start = text.rfind("\n---\n", 0, at) + 1
    end = text.find("\n---\n", at)
    document = text[start : end if end >= 0 else len(text)]
    kind, name = _KIND.search(document), _NAME.search(document)
    if not kind:
        return ""
    return f" (in {kind[1]}/{name[1]})" if name else f" (in a {kind[1]})"
