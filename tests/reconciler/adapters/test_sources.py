"""Sources: which artifact a reference stands for, and each sentence where it stands for none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ledger.events import Pin
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.adapters.sources import WatchedSources
from reconciler.adapters.watches import Watches
from reconciler.api.defaults import Source, source
from reconciler.api.types import SourceRef
from reconciler.installation import project
from reconciler.ports.cluster import Ref
from reconciler.ports.sources import Unknown
from reconciler.triggers import Obstacle

FLUX = "source.toolkit.fluxcd.io/v1"
SHA = "sha256:" + "ab" * 32


def ref(name: str = "db", **fields: str) -> Source:
    return source(SourceRef(name=name, **fields), namespace="shop")


class World:
    """A cluster with Flux's kinds, unless a test wants it bare."""

    def __init__(self, *, cross_namespace: bool = True) -> None:
        self.cluster = MemoryCluster(lambda: 1_900_000_000.0)
        self.watches = Watches(self.cluster, jitter=lambda: 0.5, project=project)
        self.woken: list[str] = []
        self.sources = WatchedSources(self.watches, on_change=self.woken.append, cross_namespace=cross_namespace)

    async def set_up(self) -> None:
        for crd in source_crds():
            await self.cluster.create(crd)
        for name in ("shop", "infra"):
            await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await self.settle()

    async def settle(self) -> None:
        for _ in range(60):
            await self.cluster.tick()
            await asyncio.sleep(0)

    async def put(self, name: str = "db", *, kind: str = "ExternalArtifact", namespace: str = "shop", **status) -> None:
        obj = {"apiVersion": FLUX, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        back = status.pop("back", None)
        spec = {"sourceRef": back} if back else {}
        if kind == "GitRepository":
            spec = {"url": "https://git.test/x", "interval": "1m"}
        await self.cluster.create({**obj, "spec": spec})
        digest, ready = status.pop("digest", SHA), status.pop("ready", "True")
        artifact = {
            "url": f"http://src.test/{name}",
            "digest": digest,
            "revision": "main@1",
            "path": "p",
            "lastUpdateTime": "2030-01-01T00:00:00Z",
        }
        condition = {
            "type": "Ready",
            "status": ready,
            "reason": "Fetching",
            "message": "git is away",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        found = {**({"artifact": artifact} if digest else {}), **({"conditions": [condition]} if ready else {})}
        await self.cluster.patch(
            Ref(FLUX, kind, namespace, name), {"status": found}, type="merge", subresource="status"
        )
        await self.settle()

    async def look(self, wanted: Source):
        """Resolve as a member does: once, and again when it was woken."""
        self.sources.resolve(wanted, stage="db", own_namespace="shop")
        await self.settle()
        return self.sources.resolve(wanted, stage="db", own_namespace="shop")


def run(test: Callable[[World], Awaitable[None]], *, bare: bool = False, **options: bool) -> None:
    async def inside() -> None:
        world = World(**options)
        if not bare:
            await world.set_up()
        await test(world)
        world.sources.close()
        await world.watches.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            raise AssertionError(f"left behind: {task}")

    asyncio.run(inside())


def refused(found, reason: str, message: str) -> None:
    assert isinstance(found, Obstacle)
    assert (found.reason, found.message) == (reason, message)


def test_an_external_artifact_and_a_repository_stand_for_their_artifact():
    async def test(world):
        await world.put()
        await world.put("repo", kind="GitRepository", digest=SHA.upper().replace("SHA256", "sha256"))
        assert await world.look(ref()) == Pin(
            stage="db", source="ExternalArtifact/shop/db", url="http://src.test/db", revision="main@1", digest=SHA
        )
        found = await world.look(ref("repo", kind="GitRepository"))
        # As its server wrote it, but for case.
        assert (found.source, found.digest) == ("GitRepository/shop/repo", SHA)

    run(test)


def test_before_the_first_look_nothing_is_known():
    async def test(world):
        assert isinstance(world.sources.resolve(ref(), stage="db", own_namespace="shop"), Unknown)

    run(test)


def test_that_there_is_nothing_at_all_is_told_too():
    async def test(world):
        found = await world.look(ref())
        assert world.woken == [""]
        refused(
            found,
            "ArtifactNotFound",
            "stage db: source ExternalArtifact shop/db does not exist: create it, or correct sourceRef",
        )

    run(test)


def test_a_kind_that_is_not_installed():
    async def test(world):
        found = await world.look(ref("repo", kind="GitRepository"))
        assert "" in world.woken
        refused(
            found,
            "ArtifactNotFound",
            f"stage db: the cluster has no kind GitRepository of {FLUX}: install Flux's source-controller, or correct "
            "sourceRef",
        )

    run(test, bare=True)


def test_not_ready_and_ready_without_an_artifact():
    async def test(world):
        await world.put("away", ready="False")
        await world.put("new", ready="")
        await world.put("empty", digest="")
        refused(
            await world.look(ref("away")),
            "SourceNotReady",
            "stage db: source ExternalArtifact shop/away is not ready: Fetching: git is away",
        )
        refused(
            await world.look(ref("new")),
            "SourceNotReady",
            "stage db: source ExternalArtifact shop/new is not ready: it has no Ready condition yet",
        )
        refused(
            await world.look(ref("empty")),
            "ArtifactNotFound",
            "stage db: source ExternalArtifact shop/empty is ready but has no artifact yet",
        )

    run(test)


def test_a_producer_is_found_by_what_points_back_at_it():
    async def test(world):
        back = {"apiVersion": "x.test/v1", "kind": "Chart", "name": "web"}
        producer = ref("web", kind="Chart", api_version="x.test/v2")
        await world.put("other-namespace", namespace="infra", back=back)
        await world.put("other-group", back={**back, "apiVersion": "y.test/v1"})
        found = await world.look(producer)
        refused(
            found,
            "ArtifactNotFound",
            "stage db: source Chart shop/web does not exist and no ExternalArtifact points back at it: create it, or "
            "correct sourceRef",
        )
        await world.put("artifact", back=back)
        found = await world.look(producer)
        assert (found.source, found.url) == ("Chart/shop/web", "http://src.test/artifact")
        await world.put("second", back=back)
        refused(
            await world.look(producer),
            "ResolveFailed",
            "stage db: source Chart shop/web is ambiguous: the ExternalArtifacts artifact, second point back at it; "
            "name one of them in sourceRef",
        )

    run(test)


def test_another_namespace_is_refused_in_the_same_words_whether_or_not_something_is_there():
    async def test(world):
        await world.put(namespace="infra")
        for name in ("db", "nothing"):
            refused(
                await world.look(ref(name, namespace="infra")),
                "ResolveFailed",
                f"stage db: source ExternalArtifact infra/{name} is in another namespace: the controller runs with "
                "--no-cross-namespace-refs",
            )
        assert world.woken == []

    run(test, cross_namespace=False)


def test_another_namespace_is_allowed_by_default():
    async def test(world):
        await world.put(namespace="infra")
        assert isinstance(await world.look(ref(namespace="infra")), Pin)

    run(test)


def test_what_is_wrong_in_another_namespace_is_told_in_one_sentence():
    """The controller looks with its own rights, which no tenant may borrow to find out what is there."""

    async def test(world):
        await world.put("unready", namespace="infra", ready="False")
        await world.put("empty", namespace="infra", digest="")
        for name, namespace in (("unready", "infra"), ("empty", "infra"), ("absent", "infra"), ("absent", "nowhere")):
            assert await world.look(ref(name, namespace=namespace)) == Obstacle(
                "ResolveFailed",
                f"stage db: source ExternalArtifact {namespace}/{name} cannot be used from namespace shop: it does not "
                "exist, is not ready or has no artifact; which of these is shown in its own namespace only",
            )

    run(test)


def test_a_new_revision_wakes_its_namespace_and_a_mere_status_change_nobody():
    async def test(world):
        await world.put()
        await world.look(ref())
        world.woken.clear()
        at = Ref(FLUX, "ExternalArtifact", "shop", "db")
        await world.cluster.patch(at, {"metadata": {"labels": {"a": "b"}}}, type="merge")
        await world.settle()
        artifact = {"artifact": {"revision": "main@2", "digest": "sha256:" + "cd" * 32}}
        world.woken.clear()
        await world.cluster.patch(at, {"status": artifact}, type="merge", subresource="status")
        await world.settle()
        assert world.woken == ["shop"]
        assert world.sources.resolve(ref(), stage="db", own_namespace="shop").revision == "main@2"

    run(test)


def test_one_watch_for_a_kind_however_many_look():
    async def test(world):
        for name in ("a", "b", "c"):
            world.sources.resolve(ref(name), stage="db", own_namespace="shop")
        await world.settle()
        assert len(world.watches.report()) == 1

    run(test)


def test_a_pin_has_no_credentials_and_its_address_is_looked_up_in_its_own_namespace() -> None:
    async def test(world: World) -> None:
        whole = "http://user:word@src.test/db?token=abc"
        for namespace, url in (("infra", whole.replace("abc", "theirs")), ("shop", whole)):
            await world.put(namespace=namespace)
            shown = {"status": {"artifact": {"url": url}}}
            there = Ref(FLUX, "ExternalArtifact", namespace, "db")
            await world.cluster.patch(there, shown, type="merge", subresource="status")
        pin = await world.look(ref())
        assert isinstance(pin, Pin)
        assert pin.url == "http://src.test/db"
        assert world.sources.address(pin) == whole
        await world.cluster.delete(Ref(FLUX, "ExternalArtifact", "shop", "db"))
        await world.settle()
        assert world.sources.address(pin) == pin.url

    run(test)
