"""What holds when a field is absent: every effective value in one place.

Not validation: the arguments are decoded and valid. Durations come back in milliseconds and are positive.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reconciler.api import duration, names
from reconciler.api.types import ConflictAction, OnTimeout, SourceRef, Stage, StageSetSpec

INTERVAL_MS: Final = 600_000
VERIFY_TIMEOUT_MS: Final = 900_000
EXTERNAL_ARTIFACT: Final = "ExternalArtifact"
#: Kinds of Flux that carry their artifact themselves.
DIRECT_KINDS: Final = frozenset({"GitRepository", "OCIRepository", "Bucket"})


class Source(NamedTuple):
    """A source reference with everything filled in. `api_version` is empty only where validation refused the spec."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def is_producer(self) -> bool:
        """Whether the artifact is in an ExternalArtifact that points back at this object, not in the object itself."""
        return self.kind != EXTERNAL_ARTIFACT and not (self.kind in DIRECT_KINDS and self.group == names.SOURCE_GROUP)


def interval_ms(spec: StageSetSpec, *, default_ms: int = INTERVAL_MS) -> int:
    """How often a healthy StageSet is looked at; `default_ms` is the controller's `--default-interval`."""
    return _positive(spec.interval) or default_ms


def retry_interval_ms(spec: StageSetSpec, *, default_ms: int = INTERVAL_MS) -> int:
    """The longest pause between attempts, and between looks at a hold.

    `0s` means the interval, because nothing may wait for ever; the original API took it as never looking again.
    """
    return _positive(spec.retry_interval) or interval_ms(spec, default_ms=default_ms)


def steady_interval_ms(spec: StageSetSpec, *, default_ms: int = INTERVAL_MS) -> int:
    """The pause after a success: `driftDetectionInterval` where it is shorter than the interval, else the interval."""
    usual = interval_ms(spec, default_ms=default_ms)
    return min(_positive(spec.drift_detection_interval) or usual, usual)


def verify_timeout_ms(spec: StageSetSpec, stage: Stage) -> int:
    """Bound of a stage's verification: the first positive of readyChecks, the stage and the spec, else 15 minutes."""
    checks = stage.ready_checks.timeout if stage.ready_checks else ""
    return _positive(checks) or _positive(stage.timeout) or _positive(spec.timeout) or VERIFY_TIMEOUT_MS


def on_timeout(spec: StageSetSpec, stage: Stage) -> OnTimeout:
    """What a timeout of a stage's verification means."""
    return stage.on_timeout or spec.on_timeout or "Fail"


def service_account(spec: StageSetSpec, stage: Stage) -> str:
    """Name of the ServiceAccount that works for a stage; empty: the controller's own identity."""
    return stage.service_account_name or spec.service_account_name


def conflict_action(stage: Stage) -> ConflictAction:
    """Answer to an immutable conflict where neither an annotation nor a rule says otherwise.

    A given `conflictPolicy` wins over `force`, because the API server writes its default into it.
    """
    if stage.conflict_policy is not None:
        return stage.conflict_policy.default
    return "Recreate" if stage.force else "Fail"


def source(ref: SourceRef, *, namespace: str) -> Source:
    """A source reference filled in; `namespace` is the StageSet's."""
    kind = ref.kind or EXTERNAL_ARTIFACT
    is_flux = kind == EXTERNAL_ARTIFACT or kind in DIRECT_KINDS
    api_version = ref.api_version or (names.SOURCE_API_VERSION if is_flux else "")
    return Source(api_version, kind, ref.namespace or namespace, ref.name)


def _positive(text: str) -> int:
    return max(duration.parse(text), 0) if text else 0
