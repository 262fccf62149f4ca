"""YAML to JSON values by Kubernetes' rules, and hostile text."""

from __future__ import annotations

import pytest

from reconciler.compute.yamldoc import Document, YAMLProblem, documents


def value(text: str) -> object:
    return documents(text)[0].value


@pytest.mark.parametrize(
    ("plain", "result"),
    [
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("1:30", "1:30"),
        ("0644", 420),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b11", 3),
        ("089", 89),
        ("1_000", 1000),
        ("-5", -5),
        ("+5", 5),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.0", 1),
        ("1.2.3", "1.2.3"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("9" * 500, "9" * 500),
        ("on", True),
        ("y", True),
        ("No", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("nULL", "nULL"),
        ("-", [None]),
        ("'0644'", "0644"),
        ('"on"', "on"),
        ("!!str 12", "12"),
        ("|\n  a\n  b", "a\nb"),
    ],
)
def test_scalars(plain: str, result: object) -> None:
    found = value(f"k: {plain}" if plain != "-" else "k:\n-")
    assert found == {"k": result}
    assert type(found["k"]) is type(result)  # type: ignore[index]


def test_documents_are_numbered_with_their_lines() -> None:
    assert documents("a: 1\n---\n---\n# c\nb: 2\n") == [
        Document(1, 1, {"a": 1}),
        Document(2, 3, None),
        Document(3, 5, {"b": 2}),
    ]
    assert documents("") == []


def test_aliases_and_merges() -> None:
    merged = value("b: &b {p: 1, q: 2}\nc:\n  <<: *b\n  q: 3\nd: {q: 1, <<: [*b, {r: 5}]}\ne: *b")
    assert merged == {
        "b": {"p": 1, "q": 2},
        "c": {"p": 1, "q": 3},
        "d": {"p": 1, "q": 1, "r": 5},
        "e": {"p": 1, "q": 2},
    }
    found = value("a: &a [1]\nb: *a")
    assert found["a"] is not found["b"]  # type: ignore[index]


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 500_000, "deeper than 200"),
        ("a: &a [*a]", "without its anchor"),
        ("a: *.example.com", "line 1, column 5: .* quote the value"),
        ("a: !!binary x", "tag"),
        ("a: !custom {}", "tag"),
        ("a: 1\nb: 2\na: 2", "line 3, column 1: a mapping key that the same mapping already has"),
        ("[a]: 1", "key must be a string"),
        ("1.5: 1", "key must be a string"),
        ("x: \x01", "character"),
        ("a: .inf", "quote the value"),
        ("a: b: c", "line 1, column 5"),
        ("<<: 3", "merge key"),
        (LAUGHS, "aliases counted"),
    ],
)
def test_problems(text: str, said: str) -> None:
    with pytest.raises(YAMLProblem, match=said):
        documents(text)


@pytest.mark.parametrize("text", ["a: *hunter2hunter2", "a: !hunter2 b", "a: 'hunter2", "hunter2: [", "%hunter2 x"])
def test_problems_quote_nothing_of_the_text(text: str) -> None:
    with pytest.raises(YAMLProblem) as caught:
        documents(text)
    assert "hunter2" not in str(caught.value)
