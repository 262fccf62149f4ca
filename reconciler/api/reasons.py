"""Reasons of the Ready condition, and messages within the API's limits.

Not when a reason applies. Invariant: a message is never longer than the API accepts, so that a failure can always be
recorded; what was cut is said, and the runbook link is kept.
"""

from __future__ import annotations

from typing import Final

SUCCEEDED: Final = "Succeeded"
#: A run is under way. Not a reason of the original API, where nothing is written during a run.
PROGRESSING: Final = "Progressing"
SUSPENDED: Final = "Suspended"
INVALID_SPEC: Final = "InvalidSpec"
SOURCE_NOT_READY: Final = "SourceNotReady"
ARTIFACT_NOT_FOUND: Final = "ArtifactNotFound"
RESOLVE_FAILED: Final = "ResolveFailed"
RBAC_DENIED: Final = "RBACDenied"
STAGE_FAILED: Final = "StageFailed"
STAGE_PROGRESSING: Final = "StageProgressing"
#: A Lifetime action failed too often and is not tried again by itself.
ACTION_DIRTY: Final = "ActionDirty"
DEPENDENCY_NOT_READY: Final = "DependencyNotReady"
STALLED: Final = "Stalled"
#: A teardown was given up; the last word of a StageSet.
TEARDOWN_FORCED: Final = "TeardownForced"

READY_REASONS: Final = frozenset(
    {
        SUCCEEDED,
        PROGRESSING,
        SUSPENDED,
        INVALID_SPEC,
        SOURCE_NOT_READY,
        ARTIFACT_NOT_FOUND,
        RESOLVE_FAILED,
        RBAC_DENIED,
        STAGE_FAILED,
        STAGE_PROGRESSING,
        ACTION_DIRTY,
        DEPENDENCY_NOT_READY,
        STALLED,
        TEARDOWN_FORCED,
    }
)
#: Reasons that ask nobody to do anything.
WITHOUT_RUNBOOK: Final = frozenset({SUCCEEDED, PROGRESSING, SUSPENDED})
RUNBOOKS: Final = "https://stageset.projects.metio.wtf/runbooks/"

#: `metav1.Condition.message`: `maxLength`, counted in characters.
MESSAGE_CHARS_MAX: Final = 32768
#: `note` of an events.k8s.io/v1 Event, counted in UTF-8 bytes.
NOTE_BYTES_MAX: Final = 1024


def runbook(reason: str) -> str:
    """` (runbook: <url>)`, or nothing for a reason that asks nobody to do anything."""
    return "" if reason in WITHOUT_RUNBOOK else f" (runbook: {RUNBOOKS}{reason.lower()}/)"


def message(reason: str, text: str) -> str:
    """The message of a condition: the text, cut to the API's limit, and the link to the runbook."""
    suffix = runbook(reason)
    return cut(text, chars_max=MESSAGE_CHARS_MAX - len(suffix)) + suffix


def note(reason: str, text: str) -> str:
    """The note of an Event: as `message`, cut to the Event's smaller limit in bytes."""
    suffix = runbook(reason)
    chars_max = NOTE_BYTES_MAX - len(suffix)
    found = cut(text, chars_max=chars_max)
    # A character may take four bytes: give up as many characters as there are bytes too many, until it fits.
    while (over := len(found.encode()) + len(suffix) - NOTE_BYTES_MAX) > 0:
        chars_max = min(chars_max, len(found)) - max(over // 4, 1)
        found = cut(text, chars_max=chars_max)
    return found + suffix


def cut(text: str, *, chars_max: int) -> str:
    """The text, or its beginning and how many characters were left out; never longer than `chars_max`."""
    if len(text) <= chars_max:
        return text
    # The number left out makes the tail longer, which leaves out more: two rounds settle it.
    kept = chars_max
    for _ in range(3):
        tail = f"… ({len(text) - kept} characters left out)"
        kept = max(chars_max - len(tail), 0)
    tail = f"… ({len(text) - kept} characters left out)"
    return (text[:kept] + tail)[:chars_max]
