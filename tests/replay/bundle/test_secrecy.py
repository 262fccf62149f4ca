from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from urllib.parse import quote

import pytest

from replay.bundle.secrecy import Search, in_artifact, in_text, in_value

VALUE = "c4n4ry/v+lue!"
ENCODED = base64.b64encode(VALUE.encode()).decode()


def artifact(**files: str | bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(target.getvalue(), mtime=0)


SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {VALUE}}}\n"
HIDDEN = {
    "string data": SECRET,
    "data": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{password: {ENCODED}}}\n",
    "escaped kind": f'{{"kind": "\\u0053ecret", "stringData": {{"password": "{VALUE}"}}}}',
    "list": json.dumps({"kind": "List", "items": [{"kind": "Secret", "stringData": {"a": VALUE}}]}),
    "second document": f"kind: ConfigMap\n---\n{SECRET}",
    "literal": f"secretGenerator:\n- name: x\n  literals: [password={VALUE}]\n",
    "inline patch": "patches:\n- patch: |\n    kind: Secret\n    metadata: {name: s}\n    stringData:\n"
    f"      password: {VALUE}\n",
    "json patch": "patches:\n- target: {kind: Secret, name: s}\n  patch: |\n    - op: add\n      path: /data/password\n"
    f"      value: {ENCODED}\n",
    "json patch without kind": "patches:\n- target: {name: s}\n  patch: |\n    - op: add\n"
    f"      path: /stringData/password\n      value: {VALUE}\n",
}


@pytest.mark.parametrize("how", HIDDEN)
def test_a_secret_that_is_spelled_out_is_found_with_its_value(how: str) -> None:
    found = in_artifact(artifact(**{"app/kustomization.yaml": HIDDEN[how], "app/other.yaml": "kind: ConfigMap\n"}))
    assert found.why.startswith("'app/kustomization.yaml' has a ")
    assert VALUE not in found.why
    assert VALUE in found.values


def test_files_that_a_generator_takes_are_values() -> None:
    kustomization = "secretGenerator:\n- name: x\n  files: [keys/id=id.key]\n  envs: [vars.env]\n"
    found = in_artifact(artifact(**{"kustomization.yaml": kustomization, "id.key": VALUE, "vars.env": f"A={VALUE}2\n"}))
    assert found.why
    assert {VALUE, f"{VALUE}2"} <= found.values


def test_other_files_are_taken() -> None:
    files: dict[str, str | bytes] = {
        "config.yaml": "kind: ConfigMap\ndata: {password: no-secret-at-all}\n",
        "role.yaml": "kind: Role\nrules: [{resources: [secrets]}]\n",
        "reference.yaml": "kind: HelmRelease\nspec: {valuesFrom: [{kind: Secret, name: s}]}\n",
        "logo.png": b"\x89PNG\xff\xfe",
        "README.md": "kubectl create secret",
    }
    found = in_artifact(artifact(**files))
    assert (found.why, found.values) == ("", frozenset())
    assert "no-secret-at-all" in found.text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.yaml", "kind: Secret\nx: [", "is no YAML and speaks of a Secret"),
        ("notes.txt", "stringData: {a", "is no YAML and speaks of a Secret"),
        ("a.yaml", SECRET.encode("utf-16"), "is not UTF-8"),
    ],
)
def test_in_doubt_it_is_left_out(name: str, content: str | bytes, says: str) -> None:
    assert says in in_artifact(artifact(**{name: content})).why


def test_what_is_no_archive_is_left_out() -> None:
    for data in (b"", b"no archive", artifact(a="x" * 10_000)[:-40]):
        assert in_artifact(data).why.startswith("it could not be looked through for secrets")


def test_tokens_may_go_and_plain_data_may_not() -> None:
    def record(value: str) -> bytes:
        return json.dumps([{"kind": "Secret", "apiVersion": "v1", "data": {"a": value}}]).encode()

    assert in_text(record("secret:Secret/ns/s.a#0123")).why == ""
    assert in_text(record(ENCODED)).why == "it has a Secret with plain data"
    assert VALUE in in_text(record(ENCODED)).values
    assert in_text(b"\xff").why


def test_values_in_a_spec() -> None:
    spec = {"stages": [{"patches": [{"patch": SECRET}]}]}
    assert VALUE in in_value(spec)
    assert in_value({"stages": [{"name": "kind: Secret"}]}) == frozenset()


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        f"x{ENCODED}",
        base64.b64encode(b"user:" + VALUE.encode()).decode(),
        quote(VALUE, safe=""),
        json.dumps(VALUE),
        VALUE.encode().hex(),
    ],
)
def test_the_search_knows_every_form(form: str) -> None:
    assert Search([VALUE]).finds(f"before {form} after")
    assert not Search([VALUE]).finds("before c4n4ry after")


def test_short_values_are_not_looked_for() -> None:
    assert not Search(["admin", "postgres"]).finds("admin postgres")
    assert not Search([]).finds("anything")


def test_a_value_beyond_ascii_is_found_in_bytes_that_were_read_one_by_one() -> None:
    assert Search(["pässwörd-lang"]).finds("pässwörd-lang".encode().decode("latin-1"))
