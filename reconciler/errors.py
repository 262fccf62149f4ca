"""The reconciler's error tree. Leaves are named by what the caller should do; errors carry fields.

ReconcilerError
├── OperationError        an operation on a stage failed: becomes a recorded outcome, never a traceback
└── ClusterError          an API server (real or in memory) refused or could not be asked
    ├── NotFound          404: the object is not there
    ├── NoSuchKind        404 for the whole kind: not installed or not served yet
    ├── AlreadyExists     409 on create
    ├── Conflict          409: another writer was first, or another field manager owns the field
    ├── Invalid           422: the object breaks the schema or changes an immutable field
    ├── BadRequest        400: the request itself is malformed
    ├── Unauthorized      401: the credential is not, or no longer, accepted
    │   └── NoAccount     the ServiceAccount that is to act does not exist, so it has no credential
    ├── Forbidden         403: the identity may not do this
    ├── Gone              410: the resource version is too old; list again
    ├── TooManyRequests   429: ask again after `retry_after_s`
    ├── Unsupported       501: MemoryCluster does not imitate this
    └── Unavailable       5xx, time-outs and broken connections: ask again later

Assertions are for our own bugs only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ReconcilerError(Exception):
    """Base of all errors of this package."""


class OperationError(ReconcilerError):
    """An operation failed for a reason that its user can read and act on.

    `reason` is a CamelCase word for machines, `message` a sentence that names the object, the field or file and what
    to do. `retryable` is false where the same inputs must fail again (a digest mismatch, an invalid patch). `evidence`
    is JSON-compatible and holds nothing secret.
    """

    def __init__(
        self, message: str, *, reason: str, retryable: bool, evidence: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.retryable = retryable
        self.evidence: dict[str, Any] = dict(evidence or {})


class ClusterError(ReconcilerError):
    """An API server answered with an error, or could not be asked.

    `status` is the API's `Status` object verbatim where one was returned (without it, an empty dict), `code` the HTTP
    status (0 where no answer came), `causes` its `details.causes`.
    """

    code = 0
    #: The `reason` that the API uses for this class of error.
    reason = "Unknown"

    def __init__(self, message: str, *, status: Mapping[str, Any] | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.status: dict[str, Any] = dict(status or {})
        self.retry_after_s = retry_after_s

    @property
    def causes(self) -> list[dict[str, Any]]:
        """`details.causes` of the Status: a list of `{reason, message, field}`."""
        return list((self.status.get("details") or {}).get("causes") or [])


class NotFound(ClusterError):
    code, reason = 404, "NotFound"


class NoSuchKind(ClusterError):
    code, reason = 404, "NoSuchKind"


class AlreadyExists(ClusterError):
    code, reason = 409, "AlreadyExists"


class Conflict(ClusterError):
    code, reason = 409, "Conflict"


class Invalid(ClusterError):
    code, reason = 422, "Invalid"


class BadRequest(ClusterError):
    code, reason = 400, "BadRequest"


class Unauthorized(ClusterError):
    code, reason = 401, "Unauthorized"


class NoAccount(Unauthorized):
    """Never a 404: what a ServiceAccount that is gone was to look at may well be there."""


class Forbidden(ClusterError):
    code, reason = 403, "Forbidden"


class Gone(ClusterError):
    code, reason = 410, "Expired"


class TooManyRequests(ClusterError):
    code, reason = 429, "TooManyRequests"


class Unsupported(ClusterError):
    code, reason = 501, "NotImplemented"


class Unavailable(ClusterError):
    code, reason = 503, "ServiceUnavailable"
