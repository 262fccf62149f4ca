"""Objects for the wire and for the record: what is a token, what is withheld, and that no secret survives."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.compute.secrecy import Rendered, Variable, render, spelled, token
from reconciler.errors import OperationError

KEY = b"installation"
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  plain: text
  value: ${pw}
"""


def secret(value: str, key: str = "pw") -> Variable:
    return Variable(value, f"Secret/default/creds.{key}@7")


def one(text: str, **variables: Variable) -> Rendered:
    (rendered,) = render(text, variables, key=KEY)
    return rendered


def test_a_leaf_from_a_secret_is_its_token() -> None:
    rendered = one(CONFIG, pw=secret("hunter22"))
    assert rendered.wire["data"] == {"plain": "text", "value": "hunter22"}
    expected = token("Secret/default/creds.pw@7", b"hunter22", key=KEY)
    assert rendered.record["data"] == {"plain": "text", "value": expected}
    assert expected.startswith("secret:Secret/default/creds.pw@7#")
    assert rendered.secret_paths == ("/data/value",)
    assert not rendered.withheld
    assert not rendered.identity_is_secret


def test_token_is_keyed() -> None:
    assert token("s", b"x", key=b"1") != token("s", b"x", key=b"2") != token("s", b"y", key=b"2")


def test_without_secrets_wire_and_record_are_equal() -> None:
    rendered = one(CONFIG, pw=Variable("open"))
    assert rendered.record == rendered.wire
    assert rendered.secret_paths == ()


@pytest.mark.parametrize("value", ["8080", "true", "1.5", "null", "x", "a#b", "####", "line one\n    line two", "ä"])
def test_values_of_every_kind(value: str) -> None:
    text = CONFIG.replace("${pw}", '"${pw}"') if "\n" in value else CONFIG
    rendered = one(text, pw=secret(value))
    assert str(rendered.record["data"]["value"]).startswith("secret:")
    assert rendered.record["data"]["plain"] == "text"


@pytest.mark.parametrize(
    "expression",
    ["x${pw}y", "${pw^^}", "${pw:1:3}", "${pw/un/${pw}}", "${none:-${pw}}", "${#pw}", "${pw%2*}", "http://u:${pw}@h"],
)
def test_derived_values_are_tokens(expression: str) -> None:
    rendered = one(CONFIG.replace("${pw}", expression), pw=secret("hunter22"))
    assert rendered.record["data"]["value"].startswith("secret:")
    assert rendered.wire["data"]["value"] != rendered.record["data"]["value"]


def test_leaf_of_two_secrets_names_both() -> None:
    rendered = one(CONFIG.replace("${pw}", "${a}:${b}"), a=secret("aaaa", "a"), b=secret("bbbb", "b"))
    assert rendered.record["data"]["value"].startswith("secret:Secret/default/creds.a@7+Secret/default/creds.b@7#")


def test_secret_that_changes_the_shape_withholds_its_object_only() -> None:
    shaped = CONFIG.replace("data:\n  plain: text\n  value: ${pw}", "data: ${pw}")
    rendered = render(
        f"{shaped}---\n{CONFIG.replace('settings', 'other').replace('pw', 'ok')}",
        {"pw": secret('{"key": "hunter22"}'), "ok": secret("hunter33")},
        key=KEY,
    )
    assert rendered[0].wire["data"] == {"key": "hunter22"}
    assert rendered[0].withheld
    assert rendered[0].record == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    assert rendered[1].record["data"]["value"].startswith("secret:")
    assert not rendered[1].withheld


def test_secret_that_adds_documents_withholds_them() -> None:
    extra = "x\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hunter22"
    rendered = render(CONFIG, {"pw": secret(extra)}, key=KEY)
    assert [r.wire["metadata"]["name"] for r in rendered] == ["settings", "hunter22"]
    assert "hunter22" not in json.dumps([r.record for r in rendered])
    assert rendered[1].withheld or rendered[1].identity_is_secret


def test_identity_from_a_secret_is_flagged() -> None:
    rendered = one(CONFIG.replace("settings", "cfg-${pw}"), pw=secret("hunter22"))
    assert rendered.identity_is_secret
    assert "hunter22" not in json.dumps(rendered.record)


def test_secret_objects_are_tokens_always() -> None:
    last = json.dumps({"data": {"a": "aHVudGVyMjI="}})
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: ns\n  annotations:\n    keep: me\n"
        f"    kubectl.kubernetes.io/last-applied-configuration: '{last}'\n"
        "type: Opaque\ndata:\n  a: aHVudGVyMjI=\nstringData:\n  b: hunter33\n"
    )
    rendered = one(text)
    record = rendered.record
    assert rendered.wire["data"] == {"a": "aHVudGVyMjI=", "b": base64.b64encode(b"hunter33").decode()}
    assert record["data"] == {
        "a": token("Secret/ns/s.a", b"hunter22", key=KEY),
        "b": token("Secret/ns/s.b", b"hunter33", key=KEY),
    }
    assert record["metadata"]["annotations"]["keep"] == "me"
    assert "aHVud" not in json.dumps(record)
    assert record["type"] == "Opaque"
    assert rendered.secret_paths == (
        "/data/a",
        "/data/b",
        "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    )


def test_malformed_secret_data_is_a_token_too() -> None:
    record = one("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: hunter22\nstringData: {a: 12345}").record
    assert "hunter22" not in json.dumps(record)
    assert "12345" not in json.dumps(record["stringData"])


def test_errors_quote_no_secret() -> None:
    for value in ("hunter22: [", "*hunter22", "'hunter22"):
        with pytest.raises(OperationError) as caught:
            one(CONFIG, pw=secret(value))
        assert "hunter22" not in caught.value.message
    with pytest.raises(OperationError, match="redacted") as caught:
        render(
            CONFIG.replace("settings", "${pw}") + "---\n" + CONFIG.replace("settings", "hunter22"),
            {"pw": secret("hunter22")},
            key=KEY,
        )
    assert "hunter22" not in caught.value.message + json.dumps(caught.value.evidence)


def test_an_expression_across_documents() -> None:
    text = CONFIG.replace("${pw}", "${pw:-\n---\n}") + "---\n" + CONFIG.replace("settings", "b")
    assert [r.record["data"]["value"][:7] for r in render(text, {"pw": secret("hunter22")}, key=KEY)] == ["secret:"] * 2


TEMPLATES = (
    "${pw}",
    "'${pw}'",
    '"${pw}"',
    "x-${pw}-y",
    "|\n    ${pw}",
    "[1, ${pw}]",
    "{k: ${pw}}",
    "${pw}${other}",
    "${none:-${pw}}",
)


@given(
    value=st.text(min_size=4, max_size=24) | st.from_regex(r"[A-Za-z0-9+/=!#{}\[\]:, -]{4,24}", fullmatch=True),
    other=st.text(st.characters(codec="ascii"), max_size=8),
    templates=st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=4),
)
def test_no_secret_survives_in_the_record(value: str, other: str, templates: list[str]) -> None:
    assume(len(value.strip()) >= 4)
    leaves = "".join(f"  k{index}: {template}\n" for index, template in enumerate(templates))
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: n0\ndata:\n{leaves}"
    assume(value.strip() not in text)
    assume(value.strip() not in "secret:Secret/default/creds.pw@7+Secret/default/creds.other@7#derived")
    try:
        rendered = render(text, {"pw": secret(value), "other": secret(other, "other")}, key=KEY)
        record = json.dumps([r.record for r in rendered], ensure_ascii=False)
    except OperationError as error:
        record = error.message.replace("[redacted]", "")
    raw = value.strip()
    for form in (
        raw,
        json.dumps(raw)[1:-1],
        quote(raw, safe=""),
        base64.b64encode(raw.encode("utf-8", "replace")).decode(),
    ):
        # Hash digits are the only text of a record that is not from the templates: they may contain a short number.
        assert form not in record or set(form) <= set("0123456789abcdef")


def test_every_document_is_paired_with_its_own_shadow() -> None:
    names = [f"n{number}" for number in range(20)]
    text = "---\n".join(CONFIG.replace("settings", name).replace("text", name) for name in names)
    rendered = render(
        text.replace("${pw}", "${p}", 10), {"pw": secret("hunter22"), "p": Variable("a\n  b: c")}, key=KEY
    )
    assert [r.record["metadata"]["name"] for r in rendered] == names
    assert [r.record["data"]["plain"] for r in rendered] == names
    assert [bool(r.secret_paths) for r in rendered] == [False] * 10 + [True] * 10


def test_the_values_of_secrets_among_objects_are_known_in_plain() -> None:
    last = json.dumps({"kind": "Secret", "stringData": {"a": "an-older-value"}})
    data = {"a": base64.b64encode(b"some-long-value").decode(), "user": base64.b64encode(b"postgres").decode()}
    notes = {"kubectl.kubernetes.io/last-applied-configuration": last}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": notes}, "data": data}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "no-secret-at-all"}}
    found = set(spelled(render("---\n".join(json.dumps(one) + "\n" for one in (secret, other)), {}, key=KEY)))
    assert {"some-long-value", data["a"], "an-older-value"} <= found
    assert not {"postgres", "no-secret-at-all"} & found
