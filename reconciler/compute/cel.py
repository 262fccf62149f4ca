"""CEL expressions over one Kubernetes object: compiled once, evaluated often.

The only module that knows the CEL library, which costs 10 MiB from the first expression on. Variables: `apiVersion` and
`kind` (strings), `metadata`, `spec`, `status` (maps, empty where absent). Invariant: nothing here raises on any
expression or object, and no error text repeats a value of the object, because a field may have come from a Secret.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.compute.fields import cut, mapping, text

if TYPE_CHECKING:
    from cel_expr_python import cel  # type: ignore[import-untyped]  # the wheel has stubs, but no py.typed

#: The library limits nesting (32) and iterations (10,000 an evaluation); the length of the source is ours to limit.
EXPRESSION_CHARS_MAX = 4096
ERROR_CHARS_MAX = 300
#: Compiled expressions kept; one costs about 140 µs to compile again.
COMPILED_MAX = 1024

_POSITION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?:\n| \[[A-Z_]+\]|$)", re.DOTALL)
_CODE = re.compile(r"^([A-Z_]+): ")
_MISSING_KEY = re.compile(r'Key not found in map : "(.*)"')
#: Run-time errors that name types, functions or positions, never values: these are repeated as they are.
_SAFE_ERRORS = re.compile(
    r"No matching overloads found : [\w?:@!&|<>=*/%+_.,()\s-]+|Index error: index=-?\d+ size=\d+|divide by zero"
    r"|modulus by zero|Iteration budget exceeded|cannot convert string to \w+|String to \w+ conversion failed"
    r"|Type conversion error from '\w+' to '\w+'|integer overflow|unsigned integer overflow"
)
_PLAIN_WORDS = {
    "Applying SELECT to non-message type": "a field was read from something that is not an object",
    "Iteration budget exceeded": "it takes more than 10,000 iterations",
}


class Verdict(NamedTuple):
    """What an expression says of an object. An expression that cannot be evaluated is not true, and says why."""

    true: bool
    #: Empty, or why the expression gave no answer; a phrase without any value of the object.
    error: str = ""


def compiles(expression: str) -> str | None:
    """None if `expression` gives a bool, or a type known only at run time; else a sentence with the position."""
    outcome = _compiled(expression)
    return outcome if isinstance(outcome, str) else None


def evaluate(expression: str, obj: Any) -> Verdict:
    """Whether `expression` is true of the object."""
    outcome = _compiled(expression)
    if isinstance(outcome, str):
        return Verdict(true=False, error=outcome)
    try:
        value = outcome.eval(data=_variables(obj))
    except (RuntimeError, ValueError, TypeError) as refusal:
        return Verdict(true=False, error=_run_time_error(str(refusal), expression))
    types = _library().Type
    if value.type() == types.BOOL:
        return Verdict(true=bool(value.value()))
    if value.type() == types.ERROR:
        return Verdict(true=False, error=_run_time_error(str(value.value()), expression))
    return Verdict(true=False, error=f"it gives {_article(value.type().name().lower())}, not a bool")


def _variables(obj: Any) -> dict[str, Any]:
    return {
        "apiVersion": text(obj, "apiVersion"),
        "kind": text(obj, "kind"),
        "metadata": mapping(obj, "metadata"),
        "spec": mapping(obj, "spec"),
        "status": mapping(obj, "status"),
    }


@lru_cache(maxsize=1)
def _library() -> Any:
    from cel_expr_python import cel

    return cel


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    from cel_expr_python.ext.ext_optional import ExtOptional  # type: ignore[import-untyped]
    from cel_expr_python.ext.ext_strings import ExtStrings  # type: ignore[import-untyped]

    cel = _library()
    tree = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {"apiVersion": cel.Type.STRING, "kind": cel.Type.STRING}
    return cel.NewEnv(
        variables=variables | dict.fromkeys(("metadata", "spec", "status"), tree),
        extensions=[ExtOptional(), ExtStrings()],
    )


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(expression: str) -> cel.Expression | str:
    if len(expression) > EXPRESSION_CHARS_MAX:
        return f"the CEL expression has {len(expression)} characters; {EXPRESSION_CHARS_MAX} are allowed"
    if not expression.strip():
        return "the CEL expression is empty; write one that gives true or false"
    try:
        compiled = _environment().compile(expression)
    except (RuntimeError, TypeError, ValueError) as refusal:
        return _compile_error(str(refusal), expression)
    kind, types = compiled.return_type(), _library().Type
    if kind in (types.BOOL, types.DYN):
        return compiled
    given = _article(kind.name().lower())
    return f"the CEL expression `{_shown(expression)}` gives {given}; write one that gives true or false"


def _compile_error(message: str, expression: str) -> str:
    shown = _shown(expression)
    if "recursion" in message:
        return f"the CEL expression `{shown}` is nested too deeply; 32 levels are allowed"
    found = _POSITION.search(message)
    if found is None:
        return f"the CEL expression `{shown}` is not valid: it holds characters that are not valid text"
    line, column, why = int(found[1]), int(found[2]), found[3].replace(" (in container '')", "").strip()
    why = (
        why.removeprefix("Syntax error: ")
        .split(" expecting {")[0]
        .replace("'<EOF>'", "end of expression")
        .replace("<EOF>", "end of expression")
    )
    return cut(f"the CEL expression `{shown}` is wrong at line {line}, column {column}: {why}", ERROR_CHARS_MAX)


def _shown(expression: str) -> str:
    """The expression on one line, as valid text."""
    line = expression.encode("utf-8", "replace").decode()
    return cut("".join(c if c.isprintable() else " " for c in line), 80)


def _run_time_error(message: str, expression: str) -> str:
    """The library's words where they cannot hold a value of the object, else the class of the error alone."""
    missing = _MISSING_KEY.search(message)
    if missing is not None:
        return f"there is no field {missing[1]}" if missing[1] in expression else "there is no such field"
    for known, words in _PLAIN_WORDS.items():
        if known in message:
            return words
    safe = _SAFE_ERRORS.search(message)
    if safe is not None:
        return cut(safe[0].strip(), ERROR_CHARS_MAX)
    code = _CODE.match(message)
    return f"it cannot be evaluated ({code[1].lower().replace('_', ' ')})" if code else "it cannot be evaluated"


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
