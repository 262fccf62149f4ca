"""The substitution grammar, row by row, and its properties."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.substitution import substitute
from reconciler.errors import OperationError

VALUES = {
    "v": "abcABC123ABCabc",
    "p": "/path/to/file",
    "f": "bash.string.txt",
    "e": "",
    "n": "-3",
    "u": "é€",
    "sz": "straße",
    "tricky": "${v} $$",
    "été": "x",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${v}", "abcABC123ABCabc"),
        ("${été}", "x"),
        ("${x:-d}", "d"),
        ("${x:=d}", "d"),
        ("${x=d}", "d"),
        ("${x:?d}", "d"),
        ("${x:+d}", "d"),
        ("${v:-d}", VALUES["v"]),
        ("${v:=d}", VALUES["v"]),
        ("${v=d}", VALUES["v"]),
        ("${v:?d}", VALUES["v"]),
        ("${v:+d}", VALUES["v"]),
        ("${e:-d}", "d"),
        ("${e=d}", "d"),
        ("${x:-}", ""),
        ("${x:-a${f}b${y:=z}}", "abash.string.txtbz"),
        ("${v:-${undefined}}", VALUES["v"]),
        ("${x:-{}}", "{}"),
        ("${#v}", "15"),
        ("${#u}", "5"),
        ("${#e}", "0"),
        ("${v^}", "AbcABC123ABCabc"),
        ("${v^^}", "ABCABC123ABCABC"),
        ("${sz^^}", "STRAßE"),
        ("${v,}", "abcABC123ABCabc"),
        ("${v,,}", "abcabc123abcabc"),
        ("${e^}", ""),
        ("${v:3}", "ABC123ABCabc"),
        ("${v:3:3}", "ABC"),
        ("${v:${n}}", "abc"),
        ("${v:${n}:2}", "ab"),
        ("${v:99}", ""),
        ("${v:12:99}", "abc"),
        ("${v:zz}", VALUES["v"]),
        ("${v:1:zz}", VALUES["v"]),
        ("${v:1:${n}}", VALUES["v"]),
        ("${u:2}", "€"),
        ("${f#*.}", "string.txt"),
        ("${f##*.}", "txt"),
        ("${f%.*}", "bash.string"),
        ("${f%%.*}", "bash"),
        ("${p#*/}", "path/to/file"),
        ("${p##*/}", "file"),
        ("${p%/*}", "/path/to"),
        ("${f#[a-b]?sh.}", "string.txt"),
        ("${f#[^a]*}", "ash.string.txt"),
        ("${f#[}", VALUES["f"]),
        ("${f#nothing}", VALUES["f"]),
        ("${v/abc/X}", "XABC123ABCabc"),
        ("${v//abc/X}", "XABC123ABCX"),
        ("${v/#abc/X}", "XABC123ABCabc"),
        ("${v/#ABC/X}", VALUES["v"]),
        ("${v/%abc/X}", "abcABC123ABCX"),
        ("${v/abc/}", "ABC123ABCabc"),
        ("${v/#abc/}", "ABC123ABCabc"),
        ("${v/*/X}", VALUES["v"]),
        (r"${p/\//-}", "-path/to/file"),
        (r"${p//\//-}", "-path-to-file"),
        ("${p/path/${f}}", "/bash.string.txt/to/file"),
        ("$${v}", "${v}"),
        ("$$", "$"),
        ("$$$${v}", "$${v}"),
        ("$$${v}", "$" + VALUES["v"]),
        ("${x:-$$5}", "$5"),
        ("$v $(v) $ a$", "$v $(v) $ a$"),
        ("some ${f}$${var$${v}$v${f}", "some bash.string.txt${var${v}$vbash.string.txt"),
        ("${tricky}", "${v} $$"),
        ("\\\\a ${x=b}", "\\\\a b"),
    ],
)
def test_grammar(text: str, result: str) -> None:
    assert substitute(text, VALUES) == result


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${x}", 'variable "x" is not defined'),
        ("${x^^}", "not defined"),
        ("${#x}", "not defined"),
        ("${x/a/b}", "not defined"),
        ("${x:1}", "not defined"),
        ("${v-d}", "has '-'"),
        ("${v+d}", "has '\\+'"),
        ("${a.b}", 'variable "a" has'),
        ("${v", "no closing '}'"),
        ("${v:-a", "no closing '}'"),
        ("${v:-${v}", "no closing '}'"),
        ("${}", "no variable name"),
        ("${ v}", "no variable name"),
        ("${v:}", "needs a number"),
        ("${v:1:}", "needs a number"),
        ("${v#}", "needs a pattern"),
        ("${v/p}", "no second '/'"),
        ("${v^^^}", "has '\\^'"),
        ("${u:1}", "cut inside a character"),
        ("${x:-" * 60, "nested deeper than 50"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(OperationError, match=said) as caught:
        substitute(text, VALUES)
    assert caught.value.reason == "SubstitutionFailed"
    assert not caught.value.retryable


def test_error_names_place_object_and_variable() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels:\n    a: b\n  name: settings\ndata:\n  k: ${missing}\n"
    with pytest.raises(
        OperationError, match=r"line 13, column 6 .*\(in ConfigMap/settings\): variable \"missing\""
    ) as caught:
        substitute("a: b\nc: d\n---\n\n---\n" + text, VALUES)
    assert caught.value.evidence == {"variable": "missing", "line": 13, "column": 6}


def test_without_variables_nothing_is_touched() -> None:
    assert substitute("${x} $$ ${", {}) == "${x} $$ ${"


@given(st.text().filter(lambda text: "${" not in text and "$$" not in text))
def test_identity_without_expressions(text: str) -> None:
    assert substitute(text, VALUES) == text


@given(st.text(), st.dictionaries(st.sampled_from("abc"), st.text(), min_size=1))
def test_values_are_pasted_once(text: str, values: dict[str, str]) -> None:
    name, value = next(iter(values.items()))
    literal = text.replace("$", "$$")
    assert substitute(f"{literal}${{{name}}}", values) == text + value


@given(st.text(alphabet="${}v:-=^,/#%\\a1 ", max_size=40))
def test_any_text_ends_in_text_or_an_error(text: str) -> None:
    reason = "SubstitutionFailed"
    try:
        substitute(text, {"v": "value", "a": "1"})
    except OperationError as error:
        reason = error.reason
    assert reason == "SubstitutionFailed"


@given(st.integers(min_value=0, max_value=40))
def test_nested_defaults(depth: int) -> None:
    assert substitute("${x:-" * depth + "d" + "}" * depth, VALUES) == "d"


def test_hostile_glob_is_not_exponential() -> None:
    started = time.process_time()
    substitute("${v%" + "*a" * 30 + "b}", {"v": "a" * 5_000})
    assert time.process_time() - started < 5
