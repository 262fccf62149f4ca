"""API errors with the `Status` object that an API server would send.

Not policy: the sentences are those of apimachinery `api/errors`; who raises them decides when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from reconciler import errors
from reconciler.adapters.memory.kinds import Kind


class Cause(NamedTuple):
    """One reason of a 422: the API's cause type, the field's path and the sentence after it."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def invalid(field: str, value: str, *, message: str) -> Cause:
    """`field: Invalid value: value: message`; `value` is already rendered as JSON, an empty one is left out."""
    shown = f"{value}: " if value else ""
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}{message}")


def required(field: str, message: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {message}" if message else "Required value")


def forbidden(field: str, message: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {message}")


def make(
    error: type[errors.ClusterError], message: str, *, details: Mapping[str, Any] | None = None,
    retry_after_s: float = 0.0, code: int = 0,
) -> errors.ClusterError:  # fmt: skip
    """An error of the given leaf whose `status` is the object that goes over the wire."""
    status: dict[str, Any] = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": error.reason, "details": dict(details or {}), "code": code or error.code,
    }  # fmt: skip
    if retry_after_s:
        status["details"]["retryAfterSeconds"] = int(retry_after_s)
    return error(message, status=status, retry_after_s=retry_after_s)


def _details(kind: Kind, name: str, *, causes: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": kind.group, "kind": kind.plural, "causes": list(causes)}
    return {key: value for key, value in details.items() if value}


def not_found(kind: Kind, name: str) -> errors.ClusterError:
    return make(errors.NotFound, f'{kind.resource} "{name}" not found', details=_details(kind, name))


def already_exists(kind: Kind, name: str, *, going: bool = False) -> errors.ClusterError:
    """`going`: the one that is there is being deleted."""
    words = f'{"object is being deleted: " * going}{kind.resource} "{name}" already exists'
    return make(errors.AlreadyExists, words, details=_details(kind, name))


def conflict(kind: Kind, name: str, *, why: str) -> errors.ClusterError:
    """`Operation cannot be fulfilled on …: why`."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return make(errors.Conflict, message, details=_details(kind, name))


def precondition(kind: Kind, name: str, *, why: str) -> errors.ClusterError:
    """A conflict about a deletion: there the API names the kind instead of the resource."""
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    details = {"name": name, "group": kind.group, "kind": kind.kind}
    return make(errors.Conflict, message, details={k: v for k, v in details.items() if v})


def invalid_object(kind: Kind, name: str, *, causes: list[Cause]) -> errors.ClusterError:
    """422 with every cause; one cause is told inline, several in brackets, as the API does."""
    text = str(causes[0]) if len(causes) == 1 else "[" + ", ".join(map(str, causes)) + "]"
    wire = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = _details(kind, name, causes=wire)
    details["kind"] = kind.kind
    return make(errors.Invalid, f'{kind.qualified} "{name}" is invalid: {text}', details=details)


def bad_request(message: str) -> errors.ClusterError:
    return make(errors.BadRequest, message)


def no_such_kind(api_version: str, kind: str) -> errors.ClusterError:
    """For whole kinds; kubectl's own sentence, since the API server just says 404."""
    return make(errors.NoSuchKind, f'no matches for kind "{kind}" in version "{api_version}"')


def unsupported(what: str) -> errors.ClusterError:
    """501: `what` is a sentence that says what is not imitated."""
    return make(errors.Unsupported, f"this in-memory cluster does not imitate it: {what}")


def internal(message: str) -> errors.ClusterError:
    """500 without a reason: how the API answers a patch that does not fit the type."""
    error = make(errors.Unavailable, message, code=500)
    error.status.pop("reason")
    return error


def unsupported_media_type() -> errors.ClusterError:
    """415: strategic merge patches do not exist for custom resources."""
    text = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    error = make(errors.BadRequest, text, code=415)
    error.status["reason"] = "UnsupportedMediaType"
    return error


def patch_refused(message: str, code: int) -> errors.ClusterError:
    """400 for a patch that is malformed, 422 for one that does not fit the object."""
    return make(errors.BadRequest if code == 400 else errors.Invalid, message)
