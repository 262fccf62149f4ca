"""Documents beside their shadows: what depends on a Secret is told apart from what does not."""

from __future__ import annotations

from reconciler.compute.manifests import parse_located
from reconciler.compute.shadows import segments
from reconciler.compute.substitution import substitute


def config_map(name: str, value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value}\n"


def found(text: str, values: dict[str, str], *secrets: str):
    manifests = parse_located(substitute(text, values))
    return list(segments(text, values, secrets=secrets, manifests=manifests))


def test_a_document_without_a_secret_is_not_parsed_again():
    text = config_map("a", "${plain}") + "\n---\n" + config_map("b", "${token}")
    plain, secret = found(text, {"plain": "p", "token": "hunter2"}, "token")
    assert plain.unaffected
    assert (plain.same, plain.other) == (None, None)
    assert not secret.unaffected
    assert [one.object["metadata"]["name"] for one in plain.manifests] == ["a"]
    assert [one.object["metadata"]["name"] for one in secret.manifests] == ["b"]


def test_the_shadows_are_the_same_objects_without_the_secret():
    (one,) = found(config_map("a", "${token}"), {"token": "hunter2"}, "token")
    assert one.manifests[0].object["data"]["key"] == "hunter2"
    for shadow in (one.same, one.other):
        assert shadow is not None
        assert shadow[0]["metadata"]["name"] == "a"
        assert shadow[0]["data"]["key"] != "hunter2"


def test_a_secret_that_makes_the_shape_has_no_shadow_of_another_number_of_objects():
    text = "${objects}"
    objects = config_map("a", "x")
    (one,) = found(text, {"objects": objects}, "objects")
    assert not one.unaffected
    assert one.other is None


def test_an_expression_that_spans_documents_makes_one_segment():
    text = "a: ${x:=1\n---\nb: 2}\n"
    manifests = parse_located(config_map("a", "v"))
    (whole,) = segments(text, {"x": "1"}, secrets=(), manifests=manifests)
    assert whole.template == text
