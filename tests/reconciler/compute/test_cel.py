from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.cel import EXPRESSION_CHARS_MAX, Verdict, compiles, evaluate

WIDGET: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "w", "generation": 3},
    "spec": {"size": 2},
    "status": {
        "observedGeneration": 3,
        "phase": "Running",
        "password": "hunter2",
        "conditions": [{"type": "Ready", "status": "True"}],
        "numbers": list(range(400)),
    },
}


@pytest.mark.parametrize(
    "expression",
    [
        "apiVersion == 'example.com/v1' && kind == 'Widget'",
        "metadata.generation == status.observedGeneration",
        "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
        "status.?missing.orValue(true)",
        "status.phase.lowerAscii() == 'running'",
        "!has(status.missing) && size(spec) == 1",
    ],
)
def test_true(expression: str) -> None:
    assert compiles(expression) is None
    assert evaluate(expression, WIDGET) == Verdict(true=True)


@pytest.mark.parametrize("bare", [{}, None, [], {"status": 7, "metadata": None}])
def test_absent_maps_are_empty(bare: Any) -> None:
    assert evaluate("size(metadata) == 0 && size(spec) == 0 && size(status) == 0 && kind == ''", bare).true


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("status.missing == 1", "there is no field missing"),
        ("status[status.password] == 1", "there is no such field"),
        ("status.phase == 'Done' || 1 / 0 == 1", "divide by zero"),
        ("status.phase.deeper.still == 1", "a field was read from something that is not an object"),
        ("status.password > 3", "No matching overloads found : _>_(string, int64)"),
        ("'x'.matches('(' + status.password)", "it cannot be evaluated (invalid argument)"),
        ("status.phase", "it gives a string, not a bool"),
        (
            "status.numbers.all(a, status.numbers.all(b, status.numbers.all(c, true)))",
            "it takes more than 10,000 iterations",
        ),
    ],
)
def test_an_error_is_not_true_and_tells_no_value(expression: str, error: str) -> None:
    assert evaluate(expression, WIDGET) == Verdict(true=False, error=error)


def test_a_number_beyond_64_bits_is_an_error_that_does_not_repeat_its_neighbours() -> None:
    verdict = evaluate("status.huge == 1", {"status": {"huge": 2**70, "password": "hunter2"}})
    assert verdict == Verdict(true=False, error="it cannot be evaluated (invalid argument)")


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1 + 1", "the CEL expression `1 + 1` gives an int; write one that gives true or false"),
        ("'a'", "the CEL expression `'a'` gives a string; write one that gives true or false"),
        ("  ", "the CEL expression is empty; write one that gives true or false"),
        ("foo", "the CEL expression `foo` is wrong at line 1, column 1: undeclared reference to 'foo'"),
        (
            "true &&\n  (1 ==",
            "the CEL expression `true &&   (1 ==` is wrong at line 2, column 8: mismatched input end of expression",
        ),
        (
            "true ? true : 1",
            "the CEL expression `true ? true : 1` is wrong at line 1, column 6: found no matching overload for '_?_:_'"
            " applied to '(bool, bool, int)'",
        ),
        ("x" * 5000, f"the CEL expression has 5000 characters; {EXPRESSION_CHARS_MAX} are allowed"),
    ],
)
def test_what_does_not_compile_says_where(expression: str, sentence: str) -> None:
    assert compiles(expression) == sentence
    assert evaluate(expression, WIDGET) == Verdict(true=False, error=sentence)


def test_too_deep_is_refused() -> None:
    assert (compiles("(" * 100 + "true" + ")" * 100) or "").endswith("is nested too deeply; 32 levels are allowed")


@given(expression=st.text(max_size=40), status=st.dictionaries(st.text(max_size=5), st.text() | st.floats()))
def test_nothing_makes_it_raise(expression: str, status: dict[str, Any]) -> None:
    sentence = compiles(expression)
    assert sentence is None or sentence.encode()
    evaluate(expression, {"status": status})
