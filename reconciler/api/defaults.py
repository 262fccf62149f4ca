"""What holds when a field is absent: every effective value in one place.

Not validation: the arguments are decoded and valid. Durations come back in milliseconds and are positive.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.events import Hook
from reconciler.api import duration, names
from reconciler.api.types import Action, ConflictAction, OnTimeout, SourceRef, Stage, StageSetSpec

INTERVAL_MS: Final = 600_000
VERIFY_TIMEOUT_MS: Final = 900_000
#: Bounds of one attempt of an action without a timeout: a Job, an awaited expression, an awaited apply, a request.
JOB_MS: Final = 600_000
WAIT_EXPR_MS: Final = 300_000
APPLY_WAIT_MS: Final = 300_000
HTTP_MS: Final = 30_000
VERBS: Final = ("patch", "http", "wait", "job", "delete", "apply")
KUBECONFIG_KEY: Final = "value"
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


def kubeconfig(spec: StageSetSpec) -> str:
    """How the target cluster is reached: `<Secret>/<key>`; a name alone is a ConfigMap; empty: the own cluster."""
    given = spec.kube_config
    if given is None:
        return ""
    if given.secret_ref is not None:
        return f"{given.secret_ref.name}/{given.secret_ref.key or KUBECONFIG_KEY}"
    return given.config_map_ref.name if given.config_map_ref is not None else ""


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


def actions(stage: Stage) -> list[tuple[Hook, Action]]:
    """All actions of a stage: pre, post, onFailure, each in its order."""
    if stage.actions is None:
        return []
    hooks: tuple[tuple[Hook, tuple[Action, ...]], ...] = (
        ("pre", stage.actions.pre),
        ("post", stage.actions.post),
        ("onFailure", stage.actions.on_failure),
    )
    return [(hook, action) for hook, found in hooks for action in found]


def verb(action: Action) -> str:
    """The one verb of an action."""
    return next(name for name in VERBS if getattr(action, name) is not None)


def action_source(action: Action) -> SourceRef | None:
    """The artifact of a job or apply action."""
    part = action.job or action.apply
    return part.source_ref if part is not None else None


def action_timeout_ms(action: Action) -> int:
    """Bound over all attempts of an action; 0: none."""
    wait = action.wait
    if wait is not None and _positive(wait.duration):
        # A wait is over when its time is, not when it has lasted too long.
        return 0
    bounds = [_positive(action.timeout), _positive(wait.timeout) if wait is not None else 0]
    # CONTRACT §4.8: an awaited expression has a bound of its own, whichever is over first.
    return min((bound for bound in bounds if bound), default=0) if bounds[0] else 0


def action_bound_ms(action: Action) -> int:
    """Bound of one attempt where no timeout is given; 0: none."""
    if action.wait is not None:
        return _positive(action.wait.duration) or _positive(action.wait.timeout) or WAIT_EXPR_MS
    if action.job is not None:
        return JOB_MS
    if action.apply is not None:
        return APPLY_WAIT_MS if action.apply.wait else 0
    return HTTP_MS if action.http is not None else 0


def repeatable(action: Action) -> bool:
    """Whether performing an action twice is the same as performing it once, so that a doubt need not hold it."""
    if action.http is not None:
        return action.http.method in {"GET", "HEAD"} or bool(getattr(action.http, "idempotent", False))
    patch = action.patch
    return action.wait is not None or action.apply is not None or (patch is not None and patch.type != "json6902")
