"""What a cluster refused, as data: its Status verbatim, a sentence that names the object, and what to do about it.

Not a decision about retries, only whether the same request may succeed later. Invariant: every text passes the caller's
scrubber before it is kept, because a server may quote a value that came from a Secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from reconciler import errors
from reconciler.api import names
from reconciler.compute.fields import cut, text
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Ref

Scrub = Callable[[str], str]

#: Failures kept with their Status as evidence of one operation; the rest is counted.
EVIDENCE_MAX = 20
MESSAGE_CHARS_MAX = 2048

_PERMANENT = (errors.Invalid, errors.BadRequest, errors.Forbidden, errors.Unsupported)
#: `User "u" cannot patch resource "deployments" in API group "apps" in the namespace "shop"` (kube-apiserver's words).
_DENIED = re.compile(
    r'User "(?P<who>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)")?'
)
#: How validation in kube-apiserver says that a field of a live object cannot change.
_IMMUTABLE = re.compile(
    r"immutable|may not change|cannot change|may not be changed|updates to \S+ spec for fields other than"
    r"|may not (?:add|change|remove) .* fields? other than",
    re.IGNORECASE,
)


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
    #: Fields that cannot be changed on the live object; the proof that `Recreate` asks for.
    immutable: tuple[str, ...] = ()
    #: The API's Status object, verbatim but scrubbed.
    status: dict[str, Any] = msgspec.field(default_factory=dict)

    def words(self) -> str:
        """Message and hint."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


def unscrubbed(value: str) -> str:
    """The scrubber of an installation without secrets: nothing to remove."""
    return value


def failure_of(error: errors.ClusterError, *, ref: Ref, scrub: Scrub = unscrubbed) -> Failure:
    """A refusal of a request for `ref` as data."""
    immutable = immutable_fields(error)
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


def immutable_fields(error: errors.ClusterError) -> tuple[str, ...]:
    """The fields that a validation refused to change, from the causes of the Status; empty for any other refusal."""
    if not isinstance(error, errors.Invalid):
        return ()
    return tuple(
        text(cause, "field") or "unknown field" for cause in error.causes if _IMMUTABLE.search(text(cause, "message"))
    )


def summary(failures: Sequence[Failure], *, what: str) -> str:
    """The first failure in full, and how many others there are."""
    others = len(failures) - 1
    more = f"; {counted(others, what=f'other {what}')} failed too" if others > 0 else ""
    return f"{failures[0].words()}{more}"


def counted(number: int, *, what: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def evidence(failures: Sequence[Failure]) -> dict[str, Any]:
    """JSON-compatible evidence: the first failures with their Status, and how many were left out."""
    kept = [msgspec.to_builtins(failure) for failure in failures[:EVIDENCE_MAX]]
    left_out = len(failures) - len(kept)
    return {"failures": kept} | ({"leftOut": left_out} if left_out > 0 else {})


def _hint(error: errors.ClusterError, ref: Ref, *, immutable: Sequence[str]) -> str:
    if immutable:
        return (
            f"the live object cannot change {', '.join(immutable)}: restore the old value, or let the object be "
            "replaced with conflictPolicy action Recreate (stages[].conflictPolicy, stages[].force or the annotation "
            f"{names.FORCE})"
        )
    if isinstance(error, errors.NoSuchKind):
        return "install its CustomResourceDefinition in this or an earlier stage"
    if isinstance(error, errors.Forbidden):
        return _denied_hint(error.message)
    if isinstance(error, errors.NotFound) and "namespaces" in error.message:
        return f"create the Namespace {ref.namespace} in this or an earlier stage"
    if isinstance(error, errors.Unauthorized):
        return "the cluster does not accept the credential: check the ServiceAccount or the kubeconfig of the stage"
    return ""


def _denied_hint(message: str) -> str:
    found = _DENIED.search(message)
    if found is None:
        return ""
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in the whole cluster"
    kind = "Role" if found["namespace"] else "ClusterRole"
    return f"give {found['who']} a {kind} that allows {found['verb']} on {resource} {where}"


def scrubbed(value: Any, scrub: Scrub) -> Any:
    """A JSON-compatible value with every string in it scrubbed; keys stay."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {key: scrubbed(item, scrub) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, scrub) for item in value]
    return value
