"""What a cluster refused, as data: its Status verbatim, a sentence that names the object, and what to do about it.

Not a decision about retries, only whether the same request may succeed later. Invariant: every text passes the caller's
scrubber before it is kept, because a server may quote a value that came from a Secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from reconciler import errors
from reconciler.compute.conflicts import data_held
from reconciler.compute.denials import denial_of, grant
from reconciler.compute.fields import cut, text
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Ref

Scrub = Callable[[str], str]

#: Failures kept with their Status as evidence of one operation; the rest is counted.
EVIDENCE_MAX = 20
MESSAGE_CHARS_MAX = 2048

_PERMANENT = (errors.Invalid, errors.BadRequest, errors.Forbidden, errors.Unsupported)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an object could not be handled."""

    #: HTTP status; 0 where no answer came or no request was made.
    code: int
    #: One CamelCase word for machines.
    reason: str
    #: A sentence for people that starts with the object.
    message: str
    #: Whether the same request may succeed later without any change of it.
    retryable: bool
    #: What to do, a sentence; empty where the message says it all.
    hint: str = ""
    #: Fields that were proved not to change on the live object.
    immutable: tuple[str, ...] = ()
    #: The API's Status object, verbatim but scrubbed.
    status: dict[str, Any] = msgspec.field(default_factory=dict)

    def words(self) -> str:
        """Message and hint."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


def unscrubbed(value: str) -> str:
    """The scrubber of an installation without secrets: nothing to remove."""
    return value


def failure_of(
    error: errors.ClusterError, *, ref: Ref, scrub: Scrub = unscrubbed, immutable: Sequence[str] = ()
) -> Failure:
    """A refusal of a request for `ref` as data. `immutable`: the fields that were proved to be the reason."""
    passing = any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)
    return Failure(
        code=error.code,
        reason=_reason(error, immutable=immutable),
        message=cut(scrub(f"{ref_words(ref)}: {error.message}"), MESSAGE_CHARS_MAX),
        retryable=passing or not (isinstance(error, _PERMANENT) or is_malformed(error)),
        hint=scrub(_hint(error, ref, immutable=immutable)),
        immutable=tuple(scrub(field) for field in immutable),
        status=scrubbed(error.status, scrub),
    )


def is_malformed(error: errors.ClusterError) -> bool:
    """Whether the object does not fit its kind's schema: server-side apply answers that with a 500 without a reason."""
    return "failed to create typed patch object" in error.message


def _reason(error: errors.ClusterError, *, immutable: Sequence[str]) -> str:
    if immutable:
        return "ImmutableField"
    return "Invalid" if is_malformed(error) else text(error.status, "reason") or error.reason


def summary(failures: Sequence[Failure], *, what: str) -> str:
    """The first failure in full, and how many others there are."""
    others = len(failures) - 1
    more = f"; {counted(others, what=f'other {what}')} failed too" if others > 0 else ""
    return f"{failures[0].words()}{more}"


def counted(number: int, *, what: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def evidence(failures: Sequence[Failure]) -> dict[str, Any]:
    """JSON-compatible evidence: the first failures with their Status, how many were left out, and what RBAC lacks."""
    kept = [msgspec.to_builtins(failure) for failure in failures[:EVIDENCE_MAX]]
    left_out = len(failures) - len(kept)
    return {"failures": kept} | ({"leftOut": left_out} if left_out > 0 else {}) | granted(*failures)


def granted(*failures: Failure) -> dict[str, str]:
    """`grant`: Roles with their bindings, in YAML, that would allow what RBAC denied; nothing if it denied nothing."""
    missing = grant(denial for failure in failures if (denial := denial_of(failure.message)))
    return {"grant": missing} if missing else {}


def told(error: errors.ClusterError) -> tuple[str, dict[str, Any]]:
    """The sentence and the evidence of a refusal that ended an operation; for RBAC's with the rule that would allow it.

    `evidence.grant` is that rule as a Role with its binding, in YAML.
    """
    denial = denial_of(error.message) if isinstance(error, errors.Forbidden) else None
    found: dict[str, Any] = {"status": error.status} if error.status else {}
    if denial is None:
        return error.message, found
    # Whoever was closer to it may have said so already.
    message = error.message if denial.hint() in error.message else f"{error.message}; {denial.hint()}"
    return message, found | {"grant": grant([denial])}


def _hint(error: errors.ClusterError, ref: Ref, *, immutable: Sequence[str]) -> str:
    if immutable:
        data = data_held(ref, {})
        lost = f", with {data}," if data else ""
        rule = rule_words(ref, "action: Recreate" + ", allowDataLoss: true" * bool(data))
        return (
            f"the live object cannot change {', '.join(immutable)}: restore the old value, or allow that the object is "
            f"deleted{lost} and made anew with a rule {rule}; KeepExisting leaves it as it is"
        )
    if isinstance(error, errors.NoSuchKind):
        return "install its CustomResourceDefinition in this or an earlier stage"
    if isinstance(error, errors.Forbidden):
        denial = denial_of(error.message)
        return denial.hint() if denial else ""
    if isinstance(error, errors.NotFound) and "namespaces" in error.message:
        return f"create the Namespace {ref.namespace} in this or an earlier stage"
    if isinstance(error, errors.Unauthorized):
        return "the cluster does not accept the credential: check the ServiceAccount or the kubeconfig of the stage"
    return ""


def rule_words(ref: Ref, answer: str) -> str:
    """A rule of a conflictPolicy for one object, ready to paste."""
    return f"in stages[].conflictPolicy.rules: {{target: {{kind: {ref.kind}, name: {ref.name}}}, {answer}}}"


def terminating(ref: Ref, finalizers: Sequence[str] = ()) -> Failure:
    """Of an object that is on its way out, so that nothing done to it would last."""
    kept = f", kept by its finalizers {', '.join(finalizers)}" if finalizers else ""
    return Failure(
        code=409,
        reason="Terminating",
        message=f"{ref_words(ref)} is being deleted{kept}, so that what was applied will go with it",
        retryable=True,
        hint="it is applied again once it is gone; if it does not go, look at its finalizers",
    )


def scrubbed(value: Any, scrub: Scrub) -> Any:
    """A JSON-compatible value with every string in it scrubbed; keys stay."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {key: scrubbed(item, scrub) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, scrub) for item in value]
    return value
