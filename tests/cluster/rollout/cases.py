"""Every way a stage fails that the runbook tells of: how it is broken, what is shown, and the runbook's remedy.

Each case is a section of docs/runbooks/stagefailed.md, by its anchor. A case breaks revision v2 of the second stage
after v1 went well. Where the section's remedy is commands, they are run; else `heal` does what it says. Nothing touches
the StageSet or the controller.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.cluster.rollout.shop import ACCOUNT, RULES, Shop, role
from tests.cluster.rollout.waiting import eventually

BACKEND = "backend"
Step = Callable[[Shop], Any]


class Case(NamedTuple):
    """One section of the runbook."""

    anchor: str
    #: words of the message, the operation among them
    words: tuple[str, ...]
    break_: Step
    #: None where the runbook has commands
    heal: Step | None
    #: fields of the second stage
    stage: Mapping[str, Any] = MappingProxyType({})
    #: fields of the spec
    spec: Mapping[str, Any] = MappingProxyType({})
    #: done before v1
    prepare: Step = lambda _: None
    #: whether what failed had been applied, so that the second stage already shows v2
    applied: bool = False
    #: revision of the second stage after the remedy
    healed: str = "v3"
    #: what the page calls OBJECT and ACCOUNT; `{}` is the namespace
    object: str = ""
    account: str = ACCOUNT


#: A permanent failure is looked at again after the interval.
SOON = {"interval": "2s"}


def good(shop: Shop, revision: str = "v3") -> None:
    """The remedy of most sections: a new revision without the mistake."""
    shop.publish(BACKEND, revision, {"config.yaml": shop.config(BACKEND, revision)})


def with_files(**extra: Any) -> Step:
    """A second revision with more files; `__` in a name stands for a dot, callables get the shop."""

    def publish(shop: Shop) -> None:
        found = {
            name.replace("__", "."): content(shop) if callable(content) else content for name, content in extra.items()
        }
        shop.publish(BACKEND, "v2", {"config.yaml": shop.config(BACKEND, "v2"), **found})

    return publish


def bytes_of(body: bytes) -> Step:
    return lambda shop: shop.publish_bytes(BACKEND, "v2", body)


# ── connect ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _account_gone(shop: Shop) -> None:
    """Delete it, and wait until the API server, which remembers tokens for ten seconds, has noticed."""
    late = shop.api.acting_as(shop.plane.token(namespace=shop.namespace, service_account="late"))
    late.get("/version").ok()
    shop.kubectl("delete", "serviceaccount", "late")
    eventually(lambda: late.get("/version").status == 401, what="the token is refused")
    good(shop, "v2")


def _account(shop: Shop) -> None:
    shop.kubectl("create", "serviceaccount", "late")
    shop.kubectl("create", "rolebinding", "late", f"--role={ACCOUNT}", f"--serviceaccount={shop.namespace}:late")


# ── fetch ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _not_served(shop: Shop) -> None:
    good(shop, "v2")
    path = f"/{shop.namespace}/{BACKEND}/v2.tar.gz"
    shop.server.bodies["kept" + path] = shop.server.bodies.pop(path)


def _served(shop: Shop) -> None:
    path = f"/{shop.namespace}/{BACKEND}/v2.tar.gz"
    shop.server.bodies[path] = shop.server.bodies["kept" + path]


def _moved(shop: Shop) -> None:
    shop.point(BACKEND, "v2", url=f"http://{shop.closed_host}/v2.tar.gz", digest="sha256:" + "1" * 64)


def _refused(shop: Shop) -> None:
    shop.point(BACKEND, "v2", url="http://169.254.169.254/v2.tar.gz", digest="sha256:" + "1" * 64)


def _other_bytes(shop: Shop) -> None:
    good(shop, "v2")
    shop.server.bodies[f"/{shop.namespace}/{BACKEND}/v2.tar.gz"] += b"x"


def _linked() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        link = tarfile.TarInfo("config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return raw.getvalue()


# ── build ────────────────────────────────────────────────────────────────────────────────────────────────────────

VARIABLES = {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}}
SECRETS = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}}


def _variables(**data: str) -> Step:
    def create(shop: Shop) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "variables"}, "data": data}
        shop.kubectl.apply(body)

    return create


def _without_variables(shop: Shop) -> None:
    shop.kubectl("delete", "configmap", "variables")
    good(shop, "v2")


def _secret(value: str) -> Step:
    """A Secret `variables` with the key `tier`, in base64."""

    def create(shop: Shop) -> None:
        shop.kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "variables"}, "data": {"tier": value}}
        )

    return create


def _binary_secret(shop: Shop) -> None:
    _secret("/////w==")(shop)
    good(shop, "v2")


def _tiered(shop: Shop) -> dict[str, Any]:
    return shop.config("tiered", "${tier}")


def _named_by_secret(shop: Shop) -> dict[str, Any]:
    return shop.config("tier-${tier}", "v2")


# ── apply ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _web(shop: Shop, revision: str, *, selects: str = "web", **annotations: str) -> None:
    """A revision with a Deployment `web` whose selector is `app: <selects>`."""
    web = shop.deployment("web", f"web:{revision}", **annotations)
    web["spec"]["selector"]["matchLabels"] = web["spec"]["template"]["metadata"]["labels"] = {"app": selects}
    shop.publish(BACKEND, revision, {"config.yaml": shop.config(BACKEND, revision), "web.yaml": web})


def _may_not(resource: str, *verbs: str) -> dict[str, Any]:
    """The tenant's Role without these verbs on a resource."""
    (rule,) = RULES
    others = [name for name in rule["resources"] if name != resource]
    left = [verb for verb in rule["verbs"] if verb not in verbs]
    return role([{**rule, "resources": others}, {**rule, "resources": [resource], "verbs": left}])


def _service(shop: Shop) -> dict[str, Any]:
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": shop.namespace},
        "spec": spec,
    }


def _denied(shop: Shop) -> None:
    shop.kubectl.apply(_may_not("services", "patch", "create"))
    with_files(service__yaml=_service)(shop)


def _selected_twice(shop: Shop) -> None:
    _web(shop, "v2", selects="other")


def _held(shop: Shop) -> None:
    """It is to be made anew, and somebody's finalizer keeps the old one."""
    hold = '{"metadata":{"finalizers":["example.test/hold"]}}'
    shop.kubectl("patch", "deployment", "web", "--type", "merge", "-p", hold)
    _web(shop, "v2", selects="other")


def _wrong_labels(shop: Shop) -> dict[str, Any]:
    web = shop.deployment("web", "web:2")
    web["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    return web


def _elsewhere(shop: Shop) -> dict[str, Any]:
    return {**shop.config("there", "v2"), "metadata": {"name": "there", "namespace": f"{shop.namespace}-late"}}


def _nowhere(shop: Shop) -> dict[str, Any]:
    return {**shop.config("there", "v2"), "metadata": {"name": "there"}}


def _everywhere(shop: Shop) -> None:
    """The tenant may write ConfigMaps of any namespace."""
    where = f"--serviceaccount={shop.namespace}:{ACCOUNT}"
    shop.kubectl("create", "clusterrolebinding", shop.namespace, "--clusterrole=edit", where)


def _of_another(shop: Shop) -> None:
    """An object of the new revision belongs to another StageSet already."""
    labels = {"stages.metio.wtf/name": "another", "stages.metio.wtf/namespace": shop.namespace}
    theirs = shop.config("shared", "theirs")
    theirs["metadata"]["labels"] = labels
    shop.kubectl.apply(theirs)
    with_files(shared__yaml=lambda s: s.config("shared", "v2"))(shop)


def _gadget(shop: Shop) -> dict[str, Any]:
    meta = {"name": "one", "namespace": shop.namespace}
    return {"apiVersion": f"{shop.namespace}.example.com/v1", "kind": "Gadget", "metadata": meta}


def _gadgets(shop: Shop) -> None:
    """Install the kind, and let the tenant use it."""
    group = f"{shop.namespace}.example.com"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    meta = {"name": f"gadgets.{group}"}
    shop.kubectl.apply(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec},
        role([*RULES, {"apiGroups": [group], "resources": ["gadgets"], "verbs": ["*"]}]),
    )


# ── verify and prune ─────────────────────────────────────────────────────────────────────────────────────────────


def _crashing(shop: Shop) -> None:
    """The Deployment says how long it may take, so the failure is certain before the stage's timeout."""
    web = shop.deployment("web", "web:2", behaviour="fail")
    web["spec"]["progressDeadlineSeconds"] = 2
    with_files(web__yaml=web)(shop)


def _never_ready(shop: Shop) -> None:
    _web(shop, "v2", behaviour="never-ready")


def _ready_after_all(shop: Shop) -> None:
    shop.kubectl("annotate", "pod", "-l", "app=web", "kwok.test/behaviour-")


def _kept_object(shop: Shop) -> None:
    shop.publish(BACKEND, "v1", {"config.yaml": shop.config(BACKEND, "v1"), "old.yaml": shop.config("old", "v1")})


def _may_not_delete(shop: Shop) -> None:
    shop.kubectl.apply(_may_not("configmaps", "delete"))
    good(shop, "v2")


HUGE = b"\0" * (65 * 1024 * 1024)
OTHER_PATCH = {"patches": [{"patch": "- {op: remove, path: /data/mode}", "target": {"name": BACKEND}}]}


def _with_mode(shop: Shop, revision: str) -> None:
    config = shop.config(BACKEND, revision)
    config["data"]["mode"] = "slow"
    shop.publish(BACKEND, revision, {"config.yaml": config})


CASES = (
    Case(
        "connect-to-target-cluster-notfound",
        ("connect to target cluster: ", "ServiceAccount", "/late does not exist"),
        _account_gone,
        None,
        stage={"serviceAccountName": "late"},
        prepare=_account,
        healed="v2",
        account="late",
    ),
    Case("fetch-artifact-unreachable", ("fetch artifact: ", "cannot be fetched"), _moved, good),
    Case("fetch-artifact-badstatus", ("fetch artifact: ", "answered 404"), _not_served, _served, healed="v2"),
    Case("fetch-artifact-urlrefused", ("fetch artifact: ", "169.254.169.254"), _refused, good),
    Case("fetch-artifact-digestmismatch", ("fetch artifact: ", "not the pinned"), _other_bytes, good),
    Case("fetch-artifact-toolarge", ("fetch artifact: ", "artifacts may have 64 MiB"), bytes_of(HUGE), good),
    Case("build-archiveinvalid", ("build: ", "archive"), bytes_of(b"not an archive"), good),
    Case("build-archiveentryrefused", ("build: ", "symbolic link"), bytes_of(_linked()), good),
    Case(
        "build-archivetoolarge",
        ("build: ", "blob", "16 MiB"),
        lambda shop: shop.publish(BACKEND, "v2", {"blob": " " * (17 * 1024 * 1024)}),
        good,
    ),
    Case(
        "build-substitutefromnotfound",
        ("build: ", "ConfigMap", "/variables does not exist"),
        _without_variables,
        None,
        stage=VARIABLES,
        prepare=_variables(tier="gold"),
        healed="v2",
    ),
    Case(
        "build-substitutefrominvalid",
        ("build: ", "Secret/", "is not text"),
        _binary_secret,
        None,
        stage=SECRETS,
        prepare=_secret("Z29sZA=="),
        healed="v2",
    ),
    Case(
        "build-substitutionfailed",
        ("build: ", 'variable "tier"'),
        with_files(tiered__yaml=_tiered),
        None,
        stage=VARIABLES,
        spec=SOON,
        prepare=_variables(other="x"),
        healed="v2",
    ),
    Case(
        "build-secretidentity",
        ("build: ", "comes from a Secret"),
        with_files(named__yaml=_named_by_secret),
        good,
        stage=SECRETS,
        prepare=_secret("Z29sZA=="),
    ),
    Case(
        "build-buildfailed",
        ("build: ", "kustomize cannot build"),
        with_files(),
        lambda shop: _with_mode(shop, "v3"),
        stage=OTHER_PATCH,
        prepare=lambda shop: _with_mode(shop, "v1"),
    ),
    Case(
        "build-invalidkustomization",
        ("build: ", "kustomization.yaml"),
        with_files(kustomization__yaml="resources: config.yaml\n"),
        good,
    ),
    Case(
        "build-referencerefused",
        ("build: ", "kustomization.yaml", "resources"),
        with_files(kustomization__yaml="resources: [https://example.com/base]\n"),
        good,
    ),
    Case(
        "build-malformedmanifest",
        ("build: ", "malformed manifest", "broken.yaml"),
        with_files(broken__yaml="a: [\n"),
        good,
    ),
    Case(
        "build-namespacemissing", ("build: ", "metadata.namespace is missing"), with_files(there__yaml=_nowhere), good
    ),
    Case(
        "apply-claimedtwice",
        ("apply: ", "ConfigMap/", "/database is rendered by stage database and by stage backend"),
        with_files(again__yaml=lambda shop: shop.config("database", "v2")),
        good,
    ),
    Case(
        "apply-immutablefield",
        ("apply: ", "spec.selector", "immutable"),
        _selected_twice,
        None,
        spec=SOON,
        prepare=lambda shop: _web(shop, "v1"),
        applied=True,
        healed="v2",
        object="deployment/web",
    ),
    Case(
        "apply-terminating",
        ("apply: ", "Deployment", "kept by its finalizers example.test/hold"),
        _held,
        None,
        stage={"conflictPolicy": {"default": "Recreate"}},
        spec={"timeout": "1s"},
        prepare=lambda shop: _web(shop, "v1"),
        applied=True,
        healed="v2",
        object="deployment/web",
    ),
    Case(
        "apply-forbidden",
        ("apply: ", "cannot patch resource", "give system:serviceaccount:", "a Role"),
        _denied,
        None,
        spec=SOON,
        applied=True,
        healed="v2",
    ),
    Case("apply-invalid", ("apply: ", "Deployment", "web"), with_files(web__yaml=_wrong_labels), good, applied=True),
    Case(
        "apply-notfound",
        ("apply: ", "-late"),
        with_files(there__yaml=_elsewhere),
        None,
        prepare=_everywhere,
        applied=True,
        healed="v2",
        object="{}-late",
    ),
    Case(
        "apply-nosuchkind",
        ("Gadget",),
        with_files(gadget__yaml=_gadget),
        _gadgets,
        spec=SOON,
        healed="v2",
    ),
    Case(
        "apply-ownedbyanother",
        ("apply: ", "shared", "another"),
        _of_another,
        None,
        spec=SOON,
        healed="v2",
        object="configmap/shared",
    ),
    Case(
        "verify-verifyfailed",
        ("verify: ", "Deployment", "/web", "made no progress"),
        _crashing,
        lambda shop: _web(shop, "v3"),
        applied=True,
        object="deployment/web",
    ),
    Case(
        "verify-verifytimeout",
        ("verify: ", "timed out", "Deployment"),
        _never_ready,
        _ready_after_all,
        spec={"timeout": "2s"},
        applied=True,
        healed="v2",
        object="deployment/web",
    ),
    Case(
        "prune-forbidden",
        ("prune: ", "cannot delete resource"),
        _may_not_delete,
        None,
        prepare=_kept_object,
        spec=SOON,
        applied=True,
        healed="v2",
    ),
)
