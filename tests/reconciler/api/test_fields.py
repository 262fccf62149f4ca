from __future__ import annotations

from reconciler.api.fields import cel, default, map_by, says


def test_a_field_states_its_meaning_and_limits() -> None:
    found = says("What it is.", effective="1", expects="digits", pattern="^[0-9]+$", crd=default("1"))
    assert (found.description, found.pattern) == ("What it is.", "^[0-9]+$")
    assert found.extra == {"effective": "1", "expects": "digits"}
    assert found.extra_json_schema == {"default": "1"}
    assert says("What it is.").extra is None


def test_keywords_of_the_schema() -> None:
    assert map_by("name") == {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    assert cel({"say so": "has(self.a)"}) == {
        "x-kubernetes-validations": [{"message": "say so", "rule": "has(self.a)"}]
    }
