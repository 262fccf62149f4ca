from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import reasons


def test_a_failure_ends_with_the_link_to_its_runbook() -> None:
    assert reasons.message(reasons.STAGE_FAILED, "stage app: apply: denied") == (
        "stage app: apply: denied (runbook: https://stageset.projects.metio.wtf/runbooks/stagefailed/)"
    )


@pytest.mark.parametrize("reason", [reasons.SUCCEEDED, reasons.SUSPENDED, reasons.PROGRESSING])
def test_what_asks_nobody_to_act_has_no_runbook(reason: str) -> None:
    assert reasons.message(reason, "3 stages are ready") == "3 stages are ready"


def test_every_other_reason_has_a_runbook() -> None:
    for reason in reasons.READY_REASONS - reasons.WITHOUT_RUNBOOK:
        assert f"/{reason.lower()}/" in reasons.runbook(reason)


def test_a_message_too_long_is_cut_before_the_link_and_says_by_how_much() -> None:
    found = reasons.message(reasons.STAGE_FAILED, "x" * 40_000)
    assert len(found) == reasons.MESSAGE_CHARS_MAX
    assert found.endswith(" characters left out) (runbook: https://stageset.projects.metio.wtf/runbooks/stagefailed/)")
    match = re.search(r"^(x+)… \((\d+) characters left out\)", found)
    assert match is not None
    assert len(match[1]) + int(match[2]) == 40_000


def test_a_message_that_just_fits_is_left_alone() -> None:
    text = "x" * (reasons.MESSAGE_CHARS_MAX - len(reasons.runbook(reasons.STAGE_FAILED)))
    assert reasons.message(reasons.STAGE_FAILED, text).startswith(text + " (runbook")


@given(st.text(max_size=300), st.integers(30, 300))
def test_a_cut_text_accounts_for_every_character(text: str, chars_max: int) -> None:
    found = reasons.cut(text, chars_max=chars_max)
    assert len(found) <= chars_max
    if found != text:
        kept, _, tail = found.rpartition("… (")
        assert text.startswith(kept)
        assert int(tail.split()[0]) == len(text) - len(kept)


@given(st.text(alphabet="aé漢😀", min_size=0, max_size=1500))
def test_a_note_fits_the_event_in_bytes_and_keeps_the_link(text: str) -> None:
    found = reasons.note(reasons.STAGE_FAILED, text)
    assert len(found.encode()) <= reasons.NOTE_BYTES_MAX
    assert found.endswith("/runbooks/stagefailed/)")
    whole = text + reasons.runbook(reasons.STAGE_FAILED)
    if len(whole.encode()) <= reasons.NOTE_BYTES_MAX:
        assert found == whole
    else:
        assert "characters left out" in found
        assert len(found.encode()) > reasons.NOTE_BYTES_MAX - 40
