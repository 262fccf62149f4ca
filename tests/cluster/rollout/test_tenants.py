"""A tenant can do exactly what its Role allows: attempts are denied, and succeed once what is printed is pasted.

The controller runs under the ServiceAccount and the roles that deploy/ ships, which have no rights on workloads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.cluster.rollout.acting import ActionController, job, recorded
from tests.cluster.rollout.installed import ACCOUNT as CONTROLLER
from tests.cluster.rollout.installed import NAME as CONTROLLER_NAME
from tests.cluster.rollout.installed import NAMESPACE
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.remote_shop import SECRET, kubeconfig_of, prepare_target, write_secret
from tests.cluster.rollout.shop import ACCOUNT, RULES, SOURCES, Shop, role, stage
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.client import Api
from tests.controlplane.kubectl import Kubectl


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, tmp_path_factory) -> Iterator[ActionController]:
    folder, hosts = tmp_path_factory.mktemp("controller"), ("127.0.0.1",)
    with ActionController(
        installed, folder, artifact_hosts=(server.host,), receiver=receiver, cluster_hosts=hosts
    ) as running:
        yield running


# ── a table of attempts ──────────────────────────────────────────────────────────────────────────────────────────


class Attempt(NamedTuple):
    """What the Role lacks, and a StageSet that needs it."""

    verb: str
    resource: str
    operation: str
    stage: Mapping[str, Any] = {}
    spec: Mapping[str, Any] = {}


WEB = {"apiVersion": "v1", "kind": "Service", "name": "web"}
VALUES = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "values"}]}}


def _acts(**action: Any) -> dict[str, Any]:
    return {"actions": {"pre": [{"name": "step", **action}]}}


ATTEMPTS = {
    "apply": Attempt("patch", "configmaps", "apply: "),
    "read a Secret": Attempt("get", "secrets", "build: ", VALUES),
    "prune": Attempt("delete", "configmaps", "prune: "),
    "job": Attempt("create", "jobs", "pre-action: step: ", _acts(job={"sourceRef": {"name": "jobs"}})),
    "delete": Attempt("delete", "services", "pre-action: step: ", _acts(delete={"target": WEB})),
    "patch": Attempt(
        "patch",
        "services",
        "pre-action: step: ",
        _acts(patch={"target": WEB, "patch": "metadata: {labels: {a: b}}"}),
    ),
    "apply action": Attempt("patch", "deployments", "pre-action: step: ", _acts(apply={"sourceRef": {"name": "more"}})),
    "wait": Attempt(
        "get",
        "services",
        "pre-action: step: ",
        _acts(wait={"target": WEB, "expr": "size(spec.ports) == 1", "timeout": "2s"}),
    ),
    "http": Attempt(
        "get",
        "secrets",
        "pre-action: step: ",
        _acts(http={"url": "http://receiver/", "bodyFrom": {"name": "values", "key": "word"}}),
    ),
    "a kubeconfig": Attempt(
        "get", "secrets", "connect to target cluster: ", spec={"kubeConfig": {"secretRef": {"name": SECRET}}}
    ),
}


def _without(verb: str, resource: str) -> dict[str, Any]:
    """The tenant's Role without this verb on this resource."""
    (rule,) = RULES
    others = [name for name in rule["resources"] if name != resource]
    left = [one for one in rule["verbs"] if one != verb]
    return role([{**rule, "resources": others}, {**rule, "resources": [resource], "verbs": left}])


def _prepared(shop: Shop, attempt: Attempt, receiver: Receiver) -> dict[str, Any]:
    """Everything that the attempt needs beside rights; the stage."""
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    shop.kubectl.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"}, "stringData": {"word": "x"}},
    )
    prepare_target(shop.plane, shop.namespace)
    write_secret(shop, kubeconfig_of(shop.plane, shop.namespace))
    shop.publish("jobs", "1", {"job.yaml": job()})
    shop.publish("more", "1", {"app.yaml": shop.deployment("more", "more:1")})
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1"), "b.yaml": shop.config("old", "v1")})
    found = stage("database", **attempt.stage)
    for action in found.get("actions", {}).get("pre", []):
        if "http" in action:
            action["http"]["url"] = receiver.url(f"/{shop.namespace}")
    return found


def _printed(shop: Shop) -> str:
    """The Role that the ledger's evidence has, ready to paste."""
    grants = [
        one["event"]["evidence"]["grant"]
        for one in shop.controller.events(f"{shop.namespace}/release")
        if "grant" in (one["event"].get("evidence") or {})
    ]
    return str(grants[-1]) if grants else ""


@pytest.mark.parametrize("name", ATTEMPTS, ids=lambda name: name.replace(" ", "-"))
def test_what_is_denied_is_allowed_by_what_is_printed_and_by_nothing_less(shop, receiver, name):
    attempt = ATTEMPTS[name]
    wanted = _prepared(shop, attempt, receiver)
    pruned = name == "prune"
    if not pruned:
        shop.kubectl.apply(_without(attempt.verb, attempt.resource))
    shop.release(stages=[wanted], interval="1s", **attempt.spec)
    if pruned:
        shop.until_ready(revision="v1")
        shop.kubectl.apply(_without(attempt.verb, attempt.resource))
        shop.publish("database", "v2", {"a.yaml": shop.config("database", "v2")})
    who = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
    denied = f'User "{who}" cannot {attempt.verb} resource "{attempt.resource}"'
    said = shop.until_failed(attempt.operation, denied, stage="database")
    assert f'in the namespace "{shop.namespace}"' in said
    assert f"give {who} a Role that allows {attempt.verb} on {attempt.resource}" in said
    assert f'verbs: ["{attempt.verb}"]}}' in said

    printed = _printed(shop)
    assert attempt.resource in printed
    shop.kubectl("apply", "-f", "-", stdin=printed)
    shop.until_ready(revision="v2" if pruned else "v1")


# ── other namespaces ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def victim(installed, controller, server, request) -> Iterator[Shop]:
    """Another tenant, with an account that may do everything in its namespace."""
    with Shop(installed, controller, server, words="victim") as made:
        yield made


def test_another_namespaces_account_cannot_be_used_however_it_is_spelled(shop, victim, installed):
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1")})
    victim.kubectl("create", "serviceaccount", "only-there")
    mark = installed.audit.mark()
    shop.release(stages=[stage("database")], serviceAccountName="only-there")
    said = {}
    climbing = f"../../{victim.namespace}/serviceaccounts/only-there"
    for name in ("only-there", "never-anywhere", f"{victim.namespace}/only-there", climbing):
        shop.merge({"spec": {"serviceAccountName": name}})
        words = f"ServiceAccount {shop.namespace}/{name} does not exist: create it"
        said[name] = shop.until_failed("connect to target cluster: ", words, stage="database").replace(name, "…")
    # Whether it is there or not, the sentence is the same.
    assert len({one.partition(" (runbook")[0] for one in said.values()}) == 1
    minted = [
        (one.namespace, one.name)
        for one in installed.audit.since(mark)
        if one.resource == "serviceaccounts/token" and one.status // 100 == 2
    ]
    assert victim.namespace not in {namespace for namespace, _ in minted}
    done = [one for one in installed.audit.since(mark) if f"{victim.namespace}:only-there" in one.user]
    assert done == []


def test_objects_for_another_namespace_are_denied_alike_whether_it_exists_or_not(shop, victim):
    victim.kubectl.apply(victim.config("theirs", "v1"))
    said = []
    for number, namespace in enumerate((victim.namespace, "not-a-namespace-at-all")):
        config = shop.config("theirs", "v2")
        config["metadata"]["namespace"] = namespace
        shop.publish("database", f"v{number}", {"a.yaml": config})
        if not number:
            shop.release(stages=[stage("database")], interval="1s")
        said.append(shop.until_failed("apply: ", f'in the namespace "{namespace}"', stage="database"))
    first, second = (
        one.replace(where, "…") for one, where in zip(said, (victim.namespace, "not-a-namespace-at-all"), strict=True)
    )
    assert first == second
    assert victim.kubectl.get("configmap", "theirs")["data"] == {"revision": "v1"}


def _said_of(shop: Shop, namespace: str, name: str, generation: int) -> str:
    """The condition's message once the StageSet names this source."""
    source = {"name": name, "namespace": namespace}
    shop.merge({"spec": {"stages": [{"name": "database", "sourceRef": source}]}})

    def look() -> str:
        found = shop.stageset()
        ready = shop.condition()
        fresh = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"] > generation
        return (
            str(ready["message"]) if fresh and ready.get("status") == "False" and namespace in ready["message"] else ""
        )

    found = eventually(look, what=f"a word on {namespace}/{name}", show=shop.story)
    return found.replace(namespace, "NS").replace(name, "NAME")


def test_sources_of_another_namespace_cannot_be_probed(shop, victim):
    """Absent, not ready, without an artifact, in no namespace: one sentence. A ready one may be used."""
    victim.publish("ready", "v1", {"a.yaml": shop.config("database", "v1")})
    victim.publish("unready", "v1", {"a.yaml": shop.config("database", "v1")}, ready="False")
    made = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "ExternalArtifact", "metadata": {"name": "empty"}}
    shop.api.apply(f"{SOURCES}/namespaces/{victim.namespace}/externalartifacts/empty", {**made, "spec": {}}).ok()
    shop.release(stages=[{"name": "database", "sourceRef": {"name": "ready", "namespace": victim.namespace}}])
    shop.until_ready(revision="v1")
    said = {
        (where, name): _said_of(shop, where, name, generation)
        for generation, (where, name) in enumerate(
            [
                (victim.namespace, "unready"),
                (victim.namespace, "empty"),
                (victim.namespace, "absent"),
                ("nowhere", "absent"),
            ]
        )
    }
    assert len(set(said.values())) == 1, said
    assert shop.condition()["reason"] == "ResolveFailed"


def test_with_no_cross_namespace_refs_not_even_a_ready_one(shop, victim, controller):
    victim.publish("ready", "v1", {"a.yaml": shop.config("database", "v1")})
    assert controller.end() == 0
    controller.start("--no-cross-namespace-refs")
    try:
        shop.release(stages=[{"name": "database", "sourceRef": {"name": "ready", "namespace": victim.namespace}}])
        said = {_said_of(shop, *source, 0) for source in ((victim.namespace, "ready"), ("nowhere", "absent"))}
        assert len(said) == 1, said
        assert "--no-cross-namespace-refs" in said.pop()
        assert shop.condition()["reason"] == "ResolveFailed"
    finally:
        controller.end()
        controller.start()
    shop.merge(
        {"spec": {"stages": [{"name": "database", "sourceRef": {"name": "ready", "namespace": victim.namespace}}]}}
    )
    shop.until_ready(revision="v1")


def test_namespaces_that_are_not_watched_are_not_looked_at(shop, victim, controller, installed):
    victim.publish("their-own", "v1", {"a.yaml": shop.config("database", "v1")})
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1")})
    assert controller.end() == 0
    mark = installed.audit.mark()
    controller.start(f"--watch-namespaces={shop.namespace}")
    try:
        victim.publish("database", "v1", {"a.yaml": victim.config("database", "v1")})
        victim.release(stages=[stage("database")])
        shop.release(stages=[stage("database")])
        shop.until_ready(revision="v1")
        said = _said_of(shop, victim.namespace, "their-own", 0)
        assert said == _said_of(shop, "nowhere", "absent", 0)
        assert "status" not in victim.stageset()
    finally:
        controller.end()
        controller.start()
    mine = [one for one in installed.audit.since(mark) if one.user == CONTROLLER and one.resource]
    narrow = {one.namespace for one in mine[: len(mine) // 2] if one.verb in {"list", "watch"}}
    assert victim.namespace not in narrow
    victim.until_ready(revision="v1")


# ── what the controller itself may do ────────────────────────────────────────────────────────────────────────────

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
NOTHING = [
    ("", "secrets"),
    ("", "configmaps"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "pods/log"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "events"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
]


def test_the_controller_has_no_right_on_workloads_secrets_or_roles(installed, shop):
    """Asked of the API server, as the controller's own ServiceAccount, for a tenant's namespace, its own, and all."""
    api = installed.api.acting_as(installed.token(namespace=NAMESPACE, service_account=CONTROLLER_NAME))

    def allowed(namespace: str, group: str, resource: str, verb: str) -> bool:
        plural, _, sub = resource.partition("/")
        asked = {"namespace": namespace, "group": group, "resource": plural, "subresource": sub, "verb": verb}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body).ok()
        return bool(answer["status"]["allowed"])

    places = (shop.namespace, NAMESPACE, "")
    refused = [(*what, verb) for what in NOTHING for verb in VERBS]
    refused += [("", "users", "impersonate"), ("", "groups", "impersonate"), ("", "serviceaccounts", "impersonate")]
    refused += [
        ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
        ("rbac.authorization.k8s.io", "roles", "bind"),
    ]
    granted = [(place, *one) for place in places for one in refused if allowed(place, *one)]
    assert granted == []
    # What it does, it does with this.
    assert allowed(shop.namespace, "", "serviceaccounts/token", "create")


def test_without_an_account_it_works_with_those_rights_and_so_can_do_nothing(shop):
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database")], serviceAccountName=None, interval="1s")
    said = shop.until_failed("apply: ", f'User "{CONTROLLER}" cannot', stage="database")
    assert "configmaps" in said


# ── an account that goes and comes back ──────────────────────────────────────────────────────────────────────────


def _late_token(shop: Shop) -> Api:
    """The API server remembers a token for ten seconds; this one is remembered at least as long as the controller's."""
    late = shop.api.acting_as(shop.plane.token(namespace=shop.namespace, service_account=ACCOUNT))
    late.get("/version").ok()
    return late


def test_a_recreated_account_is_believed_again_without_a_failure(shop, installed):
    """Its UID is another one, so the kept token is refused; one more is minted, and nobody notices."""
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database")])
    shop.until_ready(revision="v1")
    late = _late_token(shop)
    mark = installed.audit.mark()
    shop.kubectl("delete", "serviceaccount", ACCOUNT)
    shop.kubectl("create", "serviceaccount", ACCOUNT)
    eventually(lambda: late.get("/version").status == 401, what="tokens of the old account are refused")
    shop.publish("database", "v2", {"a.yaml": shop.config("database", "v2")})
    shop.until_ready(revision="v2")
    assert recorded(shop, "run.failed") == []
    minted = [
        one
        for one in installed.audit.since(mark)
        if (one.resource, one.namespace, one.status) == ("serviceaccounts/token", shop.namespace, 201)
    ]
    assert len(minted) == 1


def test_while_the_account_is_gone_nothing_is_taken_for_gone_with_it(shop, installed):
    """A prune that cannot be authenticated is a failure, not a cluster without objects."""
    kubectl = Kubectl(kubeconfig=installed.kubeconfig, namespace=shop.namespace)
    shop.publish("database", "v1", {"a.yaml": shop.config("database", "v1"), "b.yaml": shop.config("old", "v1")})
    shop.release(stages=[stage("database")], interval="1s")
    shop.until_ready(revision="v1")
    late = _late_token(shop)
    shop.kubectl("delete", "serviceaccount", ACCOUNT)
    eventually(lambda: late.get("/version").status == 401, what="its tokens are refused")
    shop.publish("database", "v2", {"a.yaml": shop.config("database", "v2")})
    shop.until_failed("ServiceAccount", "does not exist", stage="database")
    assert kubectl.get("configmap", "old")["data"] == {"revision": "v1"}
    shop.kubectl("create", "serviceaccount", ACCOUNT)
    shop.until_ready(revision="v2")
    eventually(lambda: "old" not in kubectl("get", "configmaps", "-o", "name"), what="old is pruned", show=shop.story)


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
