"""One case for each failure of the runbook that a MemoryCluster can have, and what can be computed again of it."""

from __future__ import annotations

import base64
import io
import tarfile
from typing import Any, NamedTuple

from msgspec.structs import replace

from reconciler.ports.cluster import Ref
from tests.reconciler.compute.test_kubeconfig_shape import made
from tests.reconciler.making import pins
from tests.replay.rollouts import Rollout, Story, archive, config, deployment, spec

NEVER = {"sandbox.stages.metio.wtf/outcome": "never"}
FAILS = {"sandbox.stages.metio.wtf/outcome": "fail"}
SECRETS = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"}]}}
VARIABLES = {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}}


class Case(NamedTuple):
    """One failure."""

    #: operation and reason, as the runbook has them
    name: str
    story: Story
    #: words of the recorded message
    words: str
    result: str = "same"


def released(stage: dict[str, Any] | None = None, /, files: Any = None, **fields: Any) -> Story:
    """A release of one stage with these files, into an empty cluster."""

    async def story(rollout: Rollout) -> str:
        return await rollout.release(spec(stage or {}, **fields), db=files or {"web.yaml": config()})

    return story


def after(obj: dict[str, Any], story: Story) -> Story:
    """A story in a cluster that has an object."""

    async def told(rollout: Rollout) -> str:
        await rollout.cluster.create(obj)
        found: str = await story(rollout)
        return found

    return told


def secret(**data: str) -> dict[str, Any]:
    meta = {"name": "vars", "namespace": "shop"}
    encoded = {key: base64.b64encode(value.encode("latin-1")).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def acts(action: dict[str, Any], **artifacts: Any) -> Story:
    """A release whose stage has a pre action."""

    async def story(rollout: Rollout) -> str:
        stage = {"actions": {"pre": [{"name": "act", **action}]}}
        return await rollout.release(spec(stage), db={"web.yaml": config()}, **artifacts)

    return story


def refetched(**fields: Any) -> Story:
    """A release whose artifact is not what its pin says: other fields of the pin, or other bytes at its address."""

    async def story(rollout: Rollout) -> str:
        given = {"url": "http://source.test/db.tar.gz", "digest": "sha256:" + "1" * 64, **fields}
        body = given.pop("body", None)
        (pin,) = pins("db")
        if body is not None:
            rollout.server.bodies[given["url"]] = body
        return await rollout.open(spec({}), [replace(pin, **given)])

    return story


def linked() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        link = tarfile.TarInfo("config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return raw.getvalue()


async def account_gone(rollout: Rollout) -> str:
    rollout.accounts_gone.add("late")
    return await rollout.release(spec({"serviceAccountName": "late"}), db={"web.yaml": config()})


def remote(user: dict[str, Any] | None, *, key: str = "value") -> Story:
    """A release to the cluster of a kubeconfig with this user; without one there is no kubeconfig."""

    async def story(rollout: Rollout) -> str:
        if user is not None:
            obj = secret(**{key: made(user).decode()})
            await rollout.cluster.create({**obj, "metadata": {"name": "prod", "namespace": "shop"}})
        return await rollout.release(spec({}, kubeConfig={"secretRef": {"name": "prod"}}), db={"web.yaml": config()})

    return story


def http(url: str, **more: Any) -> dict[str, Any]:
    return {"http": {"url": url, **more}}


def answering(story: Story, **replies: int) -> Story:
    async def told(rollout: Rollout) -> str:
        rollout.hooks.replies |= {f"http://{host.replace('_', '.')}/x": status for host, status in replies.items()}
        found: str = await story(rollout)
        return found

    return told


HOOK = "http://hooks.example.com/x"
WEB = {"kind": "ConfigMap", "name": "web"}
BAD_HEADER = {"name": "vars", "key": "token"}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
           "spec": {"ports": [{"port": 80}]}}  # fmt: skip
JOB_SOURCE = {"sourceRef": {"name": "jobs"}}
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop",
       "annotations": FAILS}, "spec": {"template": {"spec": {"restartPolicy": "Never",
       "containers": [{"name": "m", "image": "m:1"}]}}}}  # fmt: skip


def named(obj: dict[str, Any], name: str, **annotations: str) -> dict[str, Any]:
    """The same object under another name, and with other annotations where they are given."""
    meta = {**obj["metadata"], "name": name}
    return {**obj, "metadata": {**meta, "annotations": annotations} if annotations else meta}


def labelled(name: str, value: str) -> dict[str, Any]:
    return {**config(name, a=value), "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}}}


CASES = (
    Case("connect NotFound", account_gone, "ServiceAccount shop/late does not exist"),
    Case("connect KubeconfigInvalid", remote({"exec": {"command": "aws"}}), "exec runs a program, which is refused"),
    Case("connect KubeconfigMissing", remote(None), "Secret shop/prod does not exist"),
    Case("connect KubeconfigMissing without its key", remote({"token": "x"}, key="config"), "prod has no key value"),
    Case("fetch BadStatus", refetched(url="http://source.test/none.tar.gz"), "answered 404"),
    Case("fetch URLRefused", refetched(url="http://169.254.169.254/x"), "169.254.169.254 is link-local"),
    Case("fetch DigestMismatch", refetched(body=b"other"), "not the pinned sha256:111"),
    Case("fetch TooLarge", refetched(body=b"x" * 1_000_001), "artifacts may have"),
    Case("fetch DigestInvalid", refetched(digest="md5:1"), "is not sha256:"),
    Case("build ArchiveInvalid", released(files=b"not an archive"), "archive", "partly"),
    Case("build ArchiveEntryRefused", released(files=linked()), "symbolic link"),
    Case("build ArchiveTooLarge", released(files={"blob": " " * (17 * 1024 * 1024)}), "16 MiB"),
    Case("build SubstituteFromNotFound", released(VARIABLES), "ConfigMap shop/vars does not exist"),
    Case("build SubstituteFromInvalid", after(secret(tier="\xff\xff"), released(SECRETS)), "is not text", "partly"),
    Case(
        "build SubstitutionFailed",
        after(config("vars", other="x"), released(VARIABLES, files={"web.yaml": config(a="${tier}")})),
        'variable "tier"',
    ),
    Case(
        "build SecretIdentity",
        after(secret(tier="gold"), released(SECRETS, files={"web.yaml": config("web-${tier}")})),
        "comes from a Secret",
        "partly",
    ),
    Case(
        "build BuildFailed",
        released({"patches": [{"patch": "- {op: remove, path: /data/mode}", "target": {"name": "web"}}]}),
        "kustomize cannot build",
    ),
    Case(
        "build InvalidKustomization",
        released(files={"web.yaml": config(), "kustomization.yaml": "resources: web.yaml\n"}),
        "kustomization.yaml",
    ),
    Case(
        "build ReferenceRefused",
        released(files={"web.yaml": config(), "kustomization.yaml": "resources: [https://example.com/base]\n"}),
        "resources",
    ),
    Case("build MalformedManifest", released(files={"broken.yaml": "a: [\n"}), "malformed manifest: broken.yaml"),
    Case(
        "build NamespaceMissing",
        released(files={"web.yaml": {**config(), "metadata": {"name": "web"}}}),
        "metadata.namespace is missing",
    ),
    Case("verify VerifyFailed", released(files={"web.yaml": deployment(**FAILS)}), "made no progress"),
    Case("verify VerifyTimeout", released(files={"web.yaml": deployment(**NEVER)}, timeout="2s"), "timed out: 0 of 1"),
    Case(
        "verify VerifyTimeout by an expression",
        released(
            {"readyChecks": {"exprs": [{"apiVersion": "v1", "kind": "Service", "current": "spec.clusterIP == 'x'"}]}},
            files={"web.yaml": SERVICE},
            timeout="2s",
        ),
        "its current expression is not true",
    ),
    Case("action URLRefused", acts(http("http://127.0.0.1:9/x")), "127.0.0.1 is loopback"),
    Case("action Unreachable", acts(http(HOOK)), "does not resolve"),
    Case("action BadStatus", answering(acts(http(HOOK)), hooks_example_com=403), "answered with 403 Forbidden"),
    Case(
        "action SecretNotFound",
        acts(http(HOOK, headersFrom=[BAD_HEADER])),
        "http.headersFrom: Secret shop/vars does not exist",
    ),
    Case(
        "action HeaderInvalid",
        after(secret(token="secret\n"), acts(http(HOOK, headersFrom=[BAD_HEADER]))),
        "line break",
        "partly",
    ),
    Case("action NotFound", acts({"patch": {"target": WEB, "patch": "{data: {a: c}}"}}), "web does not exist"),
    Case(
        "action NotFound by a selector",
        acts({"patch": {"target": {"kind": "ConfigMap", "selector": {"matchLabels": {"a": "b"}}}, "patch": "{a: b}"}}),
        "matches no ConfigMap",
    ),
    Case("action InvalidPatch", acts({"patch": {"target": WEB, "patch": "[1"}}), "patch.patch, line 2"),
    Case(
        "action NoSuchKind",
        acts({"patch": {"target": {"apiVersion": "x.io/v1", "kind": "Gadget", "name": "a"}, "patch": "{a: b}"}}),
        "the cluster has no kind Gadget",
    ),
    Case(
        "action WaitTimeout",
        after(config("web", lag="9"), acts({"wait": {"target": WEB, "expr": "metadata.name == 'x'", "timeout": "3s"}})),
        "did not become true: it was false at resourceVersion",
    ),
    Case(
        "action WaitTimeout without its object",
        acts({"wait": {"target": WEB, "expr": "metadata.name == 'x'", "timeout": "3s"}}),
        "the object does not exist",
    ),
    Case(
        "action AnchorMissing",
        answering(
            acts(
                {
                    **http(HOOK),
                    "scope": "Lifetime",
                    "completionAnchor": {"apiVersion": "v1", "kind": "ConfigMap", "name": "done"},
                }
            ),
            hooks_example_com=200,
        ),
        "its completionAnchor ConfigMap/done does not exist",
    ),
    Case(
        "action job NotAJob", acts({"job": JOB_SOURCE}, db__act={"web.yaml": config()}), "cannot be run by a job action"
    ),
    Case(
        "action job BuildFailed",
        acts({"job": JOB_SOURCE}, db__act={"job.yaml": JOB, "kustomization.yaml": "resources: [a.yaml]\n"}),
        "kustomization.yaml",
    ),
    Case(
        "action apply BuildFailed",
        acts({"apply": JOB_SOURCE}, db__act={"kustomization.yaml": "resources: [a]\n"}),
        "resources",
    ),
    Case("action JobFailed", acts({"job": JOB_SOURCE}, db__act={"job.yaml": JOB}), "Job shop/migrate"),
    Case(
        "action JobFailed of several",
        acts({"job": JOB_SOURCE, "timeout": "1h"}, db__act={"job.yaml": JOB, "two.yaml": named(JOB, "clean")}),
        "failed: BackoffLimitExceeded",
    ),
    Case(
        "action JobTimeout",
        acts({"job": JOB_SOURCE, "timeout": "3s"}, db__act={"job.yaml": named(JOB, "long", **NEVER)}),
        "has not ended in time",
    ),
    Case(
        "action patch Invalid",
        after(
            deployment(),
            acts({"patch": {"target": {"kind": "Deployment", "name": "web"}, "patch": "{spec: {replicas: many}}"}}),
        ),
        "Deployment shop/web",
    ),
    Case(
        "action patch Invalid of the second of two",
        after(
            labelled("a", "1"),
            after(
                {**labelled("b", "2"), "immutable": True},
                acts(
                    {
                        "patch": {
                            "target": {"kind": "ConfigMap", "selector": {"matchLabels": {"app": "web"}}},
                            "patch": "{data: {a: c}}",
                        }
                    }
                ),
            ),
        ),
        "immutable",
    ),
)
WEB_REF = Ref("v1", "ConfigMap", "shop", "web")
__all__ = ["CASES", "archive"]
