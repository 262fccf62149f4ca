from __future__ import annotations

from reconciler.api.problems import InvalidObject, Problem, one_of, quoted, summary


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("spec.interval", "must be positive")) == "spec.interval must be positive"


def test_many_problems_are_counted_after_the_tenth() -> None:
    problems = [Problem(f"spec.stages[{index}]", "is wrong") for index in range(13)]
    text = summary(problems)
    assert text.startswith("spec.stages[0] is wrong; spec.stages[1] is wrong; ")
    assert text.endswith("spec.stages[9] is wrong; and 3 more")
    assert summary(problems[:2]) == "spec.stages[0] is wrong; spec.stages[1] is wrong"


def test_the_error_carries_the_problems() -> None:
    error = InvalidObject([Problem("spec", "is required")])
    assert error.problems == (Problem("spec", "is required"),)
    assert str(error) == "spec is required"


def test_values_are_shown_shortly() -> None:
    assert quoted("x" * 70) == '"' + "x" * 60 + '…"'
    assert quoted(3) == '"3"'
    assert one_of(["A"]) == "A"
    assert one_of(["A", "B", "C"]) == "A, B or C"
