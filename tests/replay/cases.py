"""The cases of the runbook, in the runbook's order; see `tests.replay.failing` for the world that they break."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from reconciler.adapters.memory.policy import PREFIX
from reconciler.errors import ClusterError, Unauthorized, Unavailable
from reconciler.ports.cluster import Ref
from tests.replay.failing import ACCOUNT, BACKEND, HOST, NAME, Case, Object, Scene, failing_job, linked
from tests.simulation.manifests import NAMESPACE


def _revision(**files: Any) -> Any:
    return lambda scene: scene.good(**files)


def _bytes(body: bytes) -> Any:
    return lambda scene: scene.publish_bytes("v2", body)


# ── connect and fetch ────────────────────────────────────────────────────────────────────────────────────────────


def _late(scene: Scene) -> None:
    scene.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "late", "namespace": NAMESPACE}})
    scene.allow("late")


def _late_gone(scene: Scene) -> None:
    scene.remove("ServiceAccount", "late")
    scene.good()


SERVER, SECRET = "https://workload.example:6443", "workload-cluster"
_REMOTE = {"kubeConfig": {"secretRef": {"name": SECRET}}}


def _kubeconfig(**user: Any) -> Any:
    """A Secret with a kubeconfig, whose user has these fields."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "workload",
        "contexts": [{"name": "workload", "context": {"cluster": "workload", "user": "gateway"}}],
        "clusters": [{"name": "workload", "cluster": {"server": SERVER}}],
        "users": [{"name": "gateway", "user": user or {"token": "a-token-that-nobody-records"}}],
    }
    value = base64.b64encode(msgspec.json.encode(config)).decode()
    metadata = {"name": SECRET, "namespace": NAMESPACE}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"value": value}}
    return lambda scene: scene.put(made)


def _kubeconfig_gone(scene: Scene) -> None:
    scene.remove("Secret", SECRET)
    scene.good()


def _kubeconfig_runs(scene: Scene) -> None:
    _kubeconfig(exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"})(scene)
    scene.good()


def _kubeconfig_unreadable(scene: Scene) -> None:
    scene.forbid("secrets", "get")
    scene.good()


def _refuses(error: ClusterError) -> Any:
    def break_(scene: Scene) -> None:
        scene.world.refusal = error
        scene.good()

    return break_


def _unreachable(scene: Scene) -> None:
    scene.good()
    scene.world.server.refusals[scene.url()] = 1_000


def _not_served(scene: Scene) -> None:
    scene.good()
    del scene.world.server.bodies[scene.url()]


def _other_bytes(scene: Scene) -> None:
    scene.good()
    scene.world.server.bodies[scene.url()] += b"x"


def _huge(scene: Scene) -> None:
    scene.point(url=scene.url())
    scene.world.server.bodies[scene.url()] = bytes(65 * 1024 * 1024)


# ── build ────────────────────────────────────────────────────────────────────────────────────────────────────────

_FROM_CONFIG = {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}}
_FROM_SECRET = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}}
_NO_SUCH_FIELD = {"patches": [{"patch": "- {op: remove, path: /data/mode}", "target": {"name": BACKEND}}]}


def _variables(kind: str, **data: str) -> Any:
    metadata = {"name": "variables", "namespace": NAMESPACE}
    return lambda scene: scene.put({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})


def _without_variables(scene: Scene) -> None:
    scene.remove("ConfigMap", "variables")
    scene.good()


def _binary_variables(scene: Scene) -> None:
    _variables("Secret", tier="/////w==")(scene)
    scene.good()


def _with_mode(scene: Scene) -> None:
    scene.publish("v1", {"config.yaml": scene.config(BACKEND, "v1", mode="slow")})


def _config(name: str, revision: str = "v2", **metadata: str) -> Object:
    made = {"name": name, "namespace": NAMESPACE, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": made, "data": {"revision": revision}}


# ── apply, verify, prune ─────────────────────────────────────────────────────────────────────────────────────────


def _web(revision: str, **shape: str) -> Any:
    return lambda scene: scene.publish(
        revision, {"config.yaml": scene.config(BACKEND, revision), "web.yaml": scene.deployment(**shape)}
    )


def _held(scene: Scene) -> None:
    """Somebody's finalizer keeps the live object, which has to be made anew."""
    live = scene.world.peek(Ref("apps/v1", "Deployment", NAMESPACE, "web"))
    assert live is not None
    live["metadata"]["finalizers"] = ["example.test/hold"]
    scene.world.do(scene.world.memory.replace(live))
    _web("v2", app="other")(scene)


def _denied(scene: Scene) -> None:
    scene.forbid("services", "patch", "create")
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    metadata = {"name": "web", "namespace": NAMESPACE}
    scene.good(web__yaml={"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def _of_another(scene: Scene) -> None:
    theirs = _config("shared", "theirs")
    theirs["metadata"]["labels"] = {"stages.metio.wtf/name": "another", "stages.metio.wtf/namespace": NAMESPACE}
    scene.put(theirs)
    scene.good(shared__yaml=_config("shared"))


def _with_old(scene: Scene) -> None:
    scene.publish("v1", {"config.yaml": scene.config(BACKEND, "v1"), "old.yaml": _config("old", "v1")})


def _may_not_delete(scene: Scene) -> None:
    scene.forbid("configmaps", "delete")
    scene.good()


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _action(name: str, *, hook: str = "pre", **fields: Any) -> dict[str, Any]:
    return {"actions": {hook: [{"name": name, **fields}]}}


def _hook_fails(times: int) -> Any:
    """The receiver takes v1, and answers v2 with an error."""

    def break_(scene: Scene) -> None:
        scene.world.http.failures["/announce"] = times
        scene.good()

    return break_


def _to_loopback(scene: Scene) -> None:
    def change(found: Object) -> None:
        stage = next(one for one in found["spec"]["stages"] if one["name"] == BACKEND)
        stage["actions"]["pre"][0]["http"]["url"] = "http://127.0.0.1/announce"

    scene.world.edit(NAME, change)
    scene.good()


def _migrations(scene: Scene) -> None:
    scene.world.publish_files("migrations", "v1", {"job.yaml": _good_job()})


def _good_job() -> Object:
    made = failing_job()
    made["metadata"]["annotations"][f"{PREFIX}outcome"] = "ready"
    return made


def _migration_fails(scene: Scene) -> None:
    scene.world.publish_files("migrations", "v2", {"job.yaml": failing_job()})
    scene.good()


def _lights(colour: str) -> Any:
    def put(scene: Scene) -> None:
        metadata = {"name": "lights", "namespace": NAMESPACE, "labels": {"lights": colour}}
        scene.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}})
        if colour == "red":
            scene.good()

    return put


def _mode(scene: Scene) -> None:
    metadata = {"name": "mode", "namespace": NAMESPACE}
    scene.put({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})


def _mode_denied(scene: Scene) -> None:
    scene.forbid("services", "patch", "update")
    scene.good()


def _token(scene: Scene) -> None:
    metadata = {"name": "hook-token", "namespace": NAMESPACE}
    data = {"Authorization": "QmVhcmVyIGNhbmFyeQ=="}
    scene.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def _token_gone(scene: Scene) -> None:
    scene.remove("Secret", "hook-token")
    scene.good()


_TARGET = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": NAMESPACE}
_HOOK = {"url": f"https://{HOST}/announce", "idempotent": True}
_CLOSED = msgspec.json.encode({"metadata": {"labels": {"mode": "closed"}}}).decode()
_PATCH = {"target": {**_TARGET, "kind": "Service", "name": "mode"}, "patch": _CLOSED}
_GREEN = {"target": {**_TARGET, "name": "lights"}, "expr": "metadata.labels.lights == 'green'", "timeout": "10s"}


CASES = (
    Case(
        "connect-to-target-cluster-notfound",
        "connect to target cluster",
        "NotFound",
        _late_gone,
        prepare=_late,
        stage={"serviceAccountName": "late"},
    ),
    Case(
        "connect-to-target-cluster-kubeconfigmissing",
        "connect to target cluster",
        "KubeconfigMissing",
        _kubeconfig_gone,
        prepare=_kubeconfig(),
        spec=_REMOTE,
    ),
    Case(
        "connect-to-target-cluster-kubeconfiginvalid",
        "connect to target cluster",
        "KubeconfigInvalid",
        _kubeconfig_runs,
        prepare=_kubeconfig(),
        spec=_REMOTE,
    ),
    Case(
        "connect-to-target-cluster-forbidden",
        "connect to target cluster",
        "Forbidden",
        _kubeconfig_unreadable,
        prepare=_kubeconfig(),
        spec=_REMOTE,
    ),
    Case(
        "connect-to-target-cluster-unauthorized",
        "connect to target cluster",
        "Unauthorized",
        _refuses(Unauthorized(f'{SERVER} does not accept the credential of Secret {SECRET}, key "value".')),
        prepare=_kubeconfig(),
        spec=_REMOTE,
    ),
    Case(
        "connect-to-target-cluster-unavailable",
        "connect to target cluster",
        "Unavailable",
        _refuses(Unavailable(f"{SERVER} could not be asked to GET /version: connection refused or unreachable.")),
        prepare=_kubeconfig(),
        spec=_REMOTE,
    ),
    Case("fetch-artifact-unreachable", "fetch artifact", "Unreachable", _unreachable),
    Case("fetch-artifact-badstatus", "fetch artifact", "BadStatus", _not_served),
    Case(
        "fetch-artifact-urlrefused",
        "fetch artifact",
        "URLRefused",
        lambda scene: scene.point(url="http://169.254.169.254/v2.tar.gz"),
    ),
    Case("fetch-artifact-digestmismatch", "fetch artifact", "DigestMismatch", _other_bytes),
    Case("fetch-artifact-toolarge", "fetch artifact", "TooLarge", _huge),
    Case("build-archiveinvalid", "build", "ArchiveInvalid", _bytes(b"not an archive")),
    Case("build-archiveentryrefused", "build", "ArchiveEntryRefused", _bytes(linked())),
    Case("build-archivetoolarge", "build", "ArchiveTooLarge", _revision(blob=" " * (17 * 1024 * 1024))),
    Case(
        "build-substitutefromnotfound",
        "build",
        "SubstituteFromNotFound",
        _without_variables,
        prepare=_variables("ConfigMap", tier="gold"),
        stage=_FROM_CONFIG,
    ),
    Case(
        "build-substitutefrominvalid",
        "build",
        "SubstituteFromInvalid",
        _binary_variables,
        prepare=_variables("Secret", tier="Z29sZA=="),
        stage=_FROM_SECRET,
    ),
    Case(
        "build-substitutionfailed",
        "build",
        "SubstitutionFailed",
        _revision(tiered__yaml=_config("tiered", "${tier}")),
        prepare=_variables("ConfigMap", other="x"),
        stage=_FROM_CONFIG,
    ),
    Case(
        "build-secretidentity",
        "build",
        "SecretIdentity",
        _revision(named__yaml=_config("tier-${tier}")),
        prepare=_variables("Secret", tier="Z29sZA=="),
        stage=_FROM_SECRET,
    ),
    Case(
        "build-buildfailed", "build", "BuildFailed", _revision(), prepare=_with_mode, stage=_NO_SUCH_FIELD, builds=True
    ),
    Case(
        "build-invalidkustomization",
        "build",
        "InvalidKustomization",
        _revision(kustomization__yaml="resources: config.yaml\n"),
    ),
    Case(
        "build-referencerefused",
        "build",
        "ReferenceRefused",
        _revision(kustomization__yaml="resources: [https://example.com/base]\n"),
    ),
    Case("build-malformedmanifest", "build", "MalformedManifest", _revision(broken__yaml="a: [\n")),
    Case(
        "build-namespacemissing",
        "build",
        "NamespaceMissing",
        _revision(there__yaml={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there"}, "data": {}}),
    ),
    Case("apply-claimedtwice", "apply", "ClaimedTwice", _revision(again__yaml=_config("database"))),
    Case("apply-immutablefield", "apply", "ImmutableField", _web("v2", app="other"), prepare=_web("v1")),
    Case(
        "apply-terminating",
        "apply",
        "Terminating",
        _held,
        prepare=_web("v1"),
        stage={"conflictPolicy": {"default": "Recreate"}},
        spec={"timeout": "5s"},
    ),
    Case("apply-forbidden", "apply", "Forbidden", _denied),
    Case("apply-invalid", "apply", "Invalid", _web("v2", pods="other")),
    Case("apply-notfound", "apply", "NotFound", _revision(there__yaml=_config("there", namespace="late"))),
    Case(
        "apply-nosuchkind",
        "apply",
        "NoSuchKind",
        _revision(
            gadget__yaml={
                "apiVersion": "example.com/v1",
                "kind": "Gadget",
                "metadata": {"name": "one", "namespace": NAMESPACE},
            }
        ),
    ),
    Case("apply-ownedbyanother", "apply", "OwnedByAnother", _of_another),
    Case("verify-verifyfailed", "verify", "VerifyFailed", _web("v2", outcome="fail")),
    Case("verify-verifytimeout", "verify", "VerifyTimeout", _web("v2", outcome="never"), spec={"timeout": "5s"}),
    Case("prune-forbidden", "prune", "Forbidden", _may_not_delete, prepare=_with_old),
    Case(
        "pre-action-jobfailed",
        "pre-action",
        "JobFailed",
        _migration_fails,
        prepare=_migrations,
        stage=_action("migrate", job={"sourceRef": {"name": "migrations"}}),
    ),
    Case("pre-action-badstatus", "pre-action", "BadStatus", _hook_fails(9), stage=_action("announce", http=_HOOK)),
    Case(
        "pre-action-urlrefused",
        "pre-action",
        "URLRefused",
        _to_loopback,
        stage=_action("announce", http=_HOOK),
    ),
    Case(
        "pre-action-secretnotfound",
        "pre-action",
        "SecretNotFound",
        _token_gone,
        prepare=_token,
        stage=_action("announce", http={**_HOOK, "headersFrom": [{"name": "hook-token", "key": "Authorization"}]}),
    ),
    Case(
        "pre-action-waittimeout",
        "pre-action",
        "WaitTimeout",
        _lights("red"),
        prepare=_lights("green"),
        stage=_action("lights", wait=_GREEN),
    ),
    Case(
        "pre-action-forbidden",
        "pre-action",
        "Forbidden",
        _mode_denied,
        prepare=_mode,
        stage=_action("mode", patch=_PATCH),
    ),
    Case(
        "post-action-badstatus",
        "post-action",
        "BadStatus",
        _hook_fails(9),
        stage=_action("announce", hook="post", http=_HOOK),
    ),
)
__all__ = ["ACCOUNT", "CASES"]
