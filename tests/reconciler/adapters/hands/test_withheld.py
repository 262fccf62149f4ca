"""The second line: an answer that holds a secret value is refused by its place."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from ledger import events as e
from reconciler.adapters.hands.withheld import checked, leaks
from reconciler.ports.hands import Answer

VALUE = 'p4ss "word" & more'
FORMS = {
    "raw": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64, shifted": base64.b64encode(b"x" + VALUE.encode()).decode(),
    "URL": quote(VALUE, safe=""),
    "JSON": VALUE.replace('"', '\\"'),
}


def refused(answer: Answer) -> Answer:
    return checked(answer, leaks=leaks([VALUE], record="{}"))


@pytest.mark.parametrize("form", FORMS)
def test_it_is_refused_in_every_form_and_never_repeated(form):
    answer = refused(Answer(e.ApplyFinished(message=f"sent {FORMS[form]}, refused"), "failed"))
    assert answer.event.reason == "SecretInRecord"
    assert "at message, and was not recorded" in answer.event.message
    assert answer.outcome == "failed"
    assert FORMS[form] not in str(answer)


def test_the_place_is_named():
    item = e.Item(id="shop_a__ConfigMap", v="v1", message=VALUE)
    answer = refused(Answer(e.ApplyFinished(objects=[e.Item(id="b", v="v1"), item]), "ok"))
    assert "at objects[1].message," in answer.event.message
    assert answer.outcome == "failed"
    assert (
        "at evidence.status[0],"
        in refused(Answer(e.VerifyFinished(evidence={"status": [VALUE]}), "failed")).event.message
    )
    assert "at a key of evidence," in refused(Answer(e.VerifyFinished(evidence={VALUE: 1}), "failed")).event.message


def test_an_action_stays_who_it_is_and_as_unknown_as_it_was():
    answer = refused(Answer(e.ActionFinished(hook="pre", action="call", message=VALUE), "indeterminate"))
    assert (answer.event.hook, answer.event.action, answer.outcome) == ("pre", "call", "indeterminate")


@pytest.mark.parametrize("record", [f"{{a: {VALUE}}}", "{}"])
def test_what_is_rendered_in_the_clear_and_ordinary_words_are_no_secrets(record):
    word = VALUE if VALUE in record else "database"
    answer = Answer(e.ApplyFinished(message=f"{word} is there"), "ok")
    assert checked(answer, leaks=leaks([VALUE, "database"], record=record)) is answer
