"""A life of StageSets from one seed: releases good and bad, edits, outages, kills; and what must come of it.

The model knows what the sources show and what the specs say, so that at the end of the storm it can tell for each
StageSet whether it has to be ready, or at which stage and operation it has to have failed.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, NamedTuple

from reconciler.adapters.hands.actions.job_names import ANNOTATION
from reconciler.api import names
from reconciler.ports.cluster import Ref
from tests.simulation.acting import VERBS, annotate, answer_truthfully
from tests.simulation.checkers import id_of
from tests.simulation.manifests import KINDS, NAMESPACE, Object, Thing, objects_of
from tests.simulation.ports import Chances
from tests.simulation.world import SOURCE, World, stageset, stageset_ref

TENANT = "tenant"
_RBAC = "rbac.authorization.k8s.io/v1"
#: Longest time in which a cause that is mended, or a storm that is over, must have had its effect, in seconds.
SETTLE_S = 1_200.0


class Shown(NamedTuple):
    """What a source shows."""

    revision: int
    things: tuple[Thing, ...]
    broken: bool = False
    lying: bool = False


class Release:
    """The model of one StageSet."""

    def __init__(self, world: World, name: str, rng: Random) -> None:
        self.world, self.name, self.rng = world, name, rng
        self.exists = False
        self.stages: list[dict[str, Any]] = []
        self.spec: dict[str, Any] = {}
        self.shown: dict[str, Shown] = {}
        #: sources' names are never used again
        self._count = 0
        self._moves = 0
        #: objects may stay behind: the pruning of a stage was off at some time, and that of these
        self.lenient = False
        self.kept: set[str] = set()
        #: stages may have actions
        self.acting = False
        #: objects that an earlier StageSet of this name had to leave behind
        self.orphans: set[str] = set()

    # ── making ───────────────────────────────────────────────────────────────────────────────────────────────────

    def create(self) -> None:
        rng = self.rng
        self.orphans |= {id_of(o) for o, _, _, _ in self.world.owned_objects()} if self.lenient else set()
        self.stages = []
        for _ in range(rng.randint(1, 4)):
            self.add_stage()
        self.spec = {
            "interval": rng.choice(["30s", "60s", "5m"]),
            "retryInterval": rng.choice(["5s", "20s", "60s"]),
            "timeout": rng.choice(["10s", "30s", "90s"]),
        }
        if rng.random() < 0.4:
            self.spec["serviceAccountName"] = TENANT
        self.world.do(self.world.memory.create(stageset(self.name, self.stages, **self.spec)))
        self.exists = True
        self.world.tell(f"StageSet {self.name} created with {[s['name'] for s in self.stages]} {self.spec}")

    def add_stage(self) -> None:
        self._count += 1
        source = f"{self.name}-s{self._count}"
        stage: dict[str, Any] = {"name": f"st{self._count}", "sourceRef": {"name": source}}
        if self.rng.random() < 0.3:
            reference = {"kind": self.rng.choice(["ConfigMap", "Secret"]), "name": f"vars-{source}"}
            stage["postBuild"] = {"substituteFrom": [reference], "substitute": {"extra": "x"}}
            self.provide(reference)
        self.stages.insert(self.rng.randint(0, len(self.stages)), stage)
        things = [self.thing(source) for _ in range(self.rng.randint(1, 4))]
        self.show(source, Shown(1, tuple(things)))
        if self.acting and self.rng.random() < 0.7:
            for _ in range(self.rng.randint(1, 4)):
                self.add_action(stage)

    def add_action(self, stage: dict[str, Any]) -> None:
        self._count += 1
        name = f"{self.name}-act{self._count}"
        hook = self.rng.choice(["pre", "pre", "post", "post", "onFailure"])
        # Those whose outcome may stay unknown more often than the others.
        verb = self.rng.choice([*VERBS, "http", "http", "patch-list", "patch-list", "job"])
        action = VERBS[verb].make(self.world, name)
        if hook != "onFailure" and self.rng.random() < 0.3:
            action["scope"] = "Lifetime"
        if self.rng.random() < 0.4:
            action["retries"] = self.rng.randint(1, 3)
        if self.rng.random() < 0.2:
            self.world.http.failures[f"/{name}"] = self.rng.randint(1, 4)
        stage.setdefault("actions", {}).setdefault(hook, []).append(action)

    def operate(self) -> None:
        """Answer what is held with what the other side shows, and ask again for what was given up."""
        if answer_truthfully(self.world, self.name):
            return
        if self.world.ready(self.name)[1] == "ActionDirty":
            annotate(self.world, self.name, names.REQUESTED_AT, self.world.now_text())

    def thing(self, source: str) -> Thing:
        self._count += 1
        kind = self.rng.choice(KINDS)
        name = f"{source}-{kind[:3].lower()}{self._count}"
        return Thing(kind, name, after_s=self.rng.choice([0.0, 1.0, 5.0]))

    def show(self, source: str, shown: Shown) -> None:
        self.shown[source] = shown
        revision = f"v{shown.revision}"
        self.world.publish(source, revision, list(shown.things), broken=shown.broken, lying=shown.lying)

    def provide(self, reference: dict[str, str], value: str = "one") -> None:
        """The ConfigMap or Secret that a stage takes its variables from."""
        key = "who" if reference["kind"] == "ConfigMap" else "word"
        data = {"data": {key: value}} if reference["kind"] == "ConfigMap" else {"stringData": {key: value}}
        metadata = {"name": reference["name"], "namespace": NAMESPACE}
        obj = {"apiVersion": "v1", "kind": reference["kind"], "metadata": metadata, **data}
        self.world.do(self.world.memory.apply(obj, manager="somebody"))

    def variables(self) -> list[dict[str, str]]:
        return [stage["postBuild"]["substituteFrom"][0] for stage in self.stages if "postBuild" in stage]

    def write(self) -> None:
        """The spec of the model becomes the spec of the object."""

        def change(found: Object) -> None:
            found["spec"] = {**self.spec, "stages": self.stages}

        self.world.edit(self.name, change)
        self.world.tell(
            f"StageSet {self.name} edited: {self.spec} {[(s['name'], s.get('prune')) for s in self.stages]}"
        )

    # ── what is wrong, and what should be there ──────────────────────────────────────────────────────────────────

    def problem(self) -> tuple[str, set[str]] | None:
        """Stage and operations of the first failure that has to be; None where it has to be ready."""
        rendered: set[str] = set()
        for stage in self.stages:
            operations = self._operations(stage, rendered)
            if operations:
                return stage["name"], operations
            rendered |= {id_of(o) for thing in self.shown[stage["sourceRef"]["name"]].things for o in objects_of(thing)}
        return None

    def _operations(self, stage: dict[str, Any], rendered: set[str]) -> set[str]:
        shown = self.shown[stage["sourceRef"]["name"]]
        forbidden = self._is_forbidden()
        absent = "postBuild" in stage and self._absent(stage["postBuild"]["substituteFrom"][0])
        # Without rights, or the variables that an action's artifact takes too, what was not performed yet fails first.
        before = {"pre-action"} if (forbidden or absent) and "pre" in stage.get("actions", {}) else set()
        if shown.lying:
            return {"fetch artifact"} | before
        if shown.broken:
            return {"build"} | before
        if absent:
            return {"build"} | before
        if forbidden:
            # What is known to be as it was applied needs no right; then what follows fails.
            after = {"post-action"} if "post" in stage.get("actions", {}) else set()
            return {"build" if "postBuild" in stage else "apply"} | before | after
        objects = [o for thing in shown.things for o in objects_of(thing)]
        if any(id_of(o) in rendered for o in objects) or any(self._immutable(o) for o in objects):
            return {"apply"}
        if any(t.outcome != "ready" and t.kind in ("Deployment", "Job") for t in shown.things):
            return {"verify"}
        return set()

    def _is_forbidden(self) -> bool:
        return bool(self.spec.get("serviceAccountName")) and not tenant_allowed(self.world)

    def _absent(self, reference: dict[str, str]) -> bool:
        return self.world.peek(Ref("v1", reference["kind"], NAMESPACE, reference["name"])) is None

    def _immutable(self, wanted: Object) -> bool:
        if wanted["kind"] != "Deployment":
            return False
        live = self.world.peek(Ref("apps/v1", "Deployment", NAMESPACE, wanted["metadata"]["name"]))
        return live is not None and live["spec"]["selector"] != wanted["spec"]["selector"]

    def mend(self) -> None:
        """Remove every cause of failure without touching the StageSet."""
        taken: set[str] = set()
        for stage in self.stages:
            source = stage["sourceRef"]["name"]
            shown = self.shown[source]
            things = tuple(self._mended(t) for t in shown.things if t.name not in taken)
            taken |= {t.name for t in shown.things}
            if shown.broken or shown.lying or things != shown.things:
                self.show(source, Shown(shown.revision + 1, things))
        for reference in self.variables():
            if self._absent(reference):
                self.provide(reference)
        allow_tenant(self.world)

    def _mended(self, thing: Thing) -> Thing:
        if thing.kind == "Deployment":
            live = self.world.peek(Ref("apps/v1", "Deployment", NAMESPACE, thing.name))
            if live is not None:
                thing = thing._replace(fixed=int(live["spec"]["selector"]["matchLabels"]["fixed"][1:]))
        if thing.outcome != "ready":
            thing = thing._replace(outcome="ready", variant=thing.variant + 1)
        return thing

    def desired(self) -> dict[str, tuple[str, Object]]:
        """Objects that have to be there, with the stage that owns them, by id."""
        return {
            id_of(obj): (stage["name"], obj)
            for stage in self.stages
            for thing in self.shown[stage["sourceRef"]["name"]].things
            for obj in objects_of(thing)
        }

    def is_as_expected(self) -> bool:
        status, reason, message = self.world.ready(self.name)
        found = self.world.stageset(self.name)
        if found is None:
            return False
        if found["spec"].get("suspend"):
            return (status, reason) == ("False", "Suspended")
        if (found.get("status") or {}).get("observedGeneration") != found["metadata"]["generation"]:
            return False
        problem = self.problem()
        if problem is None:
            return status == "True" and self._revisions() == self._applied(found)
        if status == "True":
            # Rights that went when all was done are not missed before there is something to do.
            return self._is_forbidden() and self._revisions() == self._applied(found)
        stage, operations = problem
        return reason in {"StageFailed", "ActionDirty"} and any(
            message.startswith(f"stage {stage}: {op}: ") for op in operations
        )

    def _revisions(self) -> dict[str, str]:
        return {s["name"]: f"v{self.shown[s['sourceRef']['name']].revision}" for s in self.stages}

    @staticmethod
    def _applied(found: Object) -> dict[str, str]:
        return {stage["name"]: stage.get("appliedRevision", "") for stage in found["status"].get("stages", ())}

    def check_cluster(self) -> None:
        """I7: exactly what is rendered is there, owned by the right stage, as rendered."""
        mine = [(o, stage) for o, _, name, stage in self.world.owned_objects() if name == self.name]
        live = {id_of(o): (o, stage) for o, stage in mine if not _is_of_action(o)}
        desired = self.desired()
        missing = sorted(desired.keys() - live.keys())
        assert not missing, f"I7: {self.name} is ready and {missing} are not there"
        extra = sorted(live.keys() - desired.keys() - self.orphans)
        assert not extra or self.lenient, f"I7: {self.name} is ready and {extra} are left"
        state = next(s for stream, s in self.world.monitor.states.items() if self._is_mine(stream))
        for key in extra:
            # What a stage without pruning leaves behind when it leaves the spec is nobody's from then on.
            left = live[key][1] in self.kept
            assert left or any(key in s.owned for s in state.stages.values()), f"I7: nobody owns {key}"
        for obj, stage in mine:
            owner = state.stages.get(stage)
            known = owner is not None and id_of(obj) in owner.owned
            assert known or self.lenient or not _is_of_action(obj), f"I7: nobody owns {id_of(obj)} of an action"
        for key, (stage, obj) in desired.items():
            assert live[key][1] == stage, f"I7: {key} is labelled for {live[key][1]}, not for {stage}"
            assert key in state.stages[stage].owned, f"I7: {key} is not owned by {stage}"
            _check_content(obj, live[key][0])

    def shows_inventories(self) -> bool:
        """I6: the inventories are what the fold says, no more and no less."""
        shown: dict[str, set[str]] = {}
        for one in self.world.list(names.API_VERSION, "StageInventory", NAMESPACE):
            labels = one["metadata"]["labels"]
            if labels[names.LABEL_STAGE_SET] == self.name:
                entries = {entry["id"] for entry in one["spec"].get("entries", ())}
                shown.setdefault(labels[names.LABEL_STAGE], set()).update(entries)
        state = next(s for stream, s in self.world.monitor.states.items() if self._is_mine(stream))
        owned = {s.name: {key for key, one in s.owned.items() if one.uid} for s in state.stages.values()}
        return shown == {s: ids for s, ids in owned.items() if ids or state.stages[s].digest}

    def _is_mine(self, stream: str) -> bool:
        found = self.world.stageset(self.name)
        return found is not None and stream.endswith(found["metadata"]["uid"])


def _is_of_action(obj: Object) -> bool:
    return ANNOTATION in (obj["metadata"].get("annotations") or {})


def _check_content(wanted: Object, live: Object) -> None:
    kind = wanted["kind"]
    if kind == "ConfigMap":
        assert live["data"]["variant"] == wanted["data"]["variant"], f"{id_of(wanted)} has old content: {live['data']}"
        assert set(live["data"]) == set(wanted["data"]) | (set(live["data"]) & {"drift"}), live["data"]
    elif kind == "Deployment":
        want, have = (o["spec"]["template"]["spec"]["containers"][0]["image"] for o in (wanted, live))
        assert want == have, f"{id_of(wanted)} runs {have}, not {want}"
        assert live["spec"]["replicas"] == 1, f"{id_of(wanted)} has {live['spec']['replicas']} replicas"


def allow_tenant(world: World) -> None:
    """Give the tenant its rights, as they were or again."""
    subject = {"kind": "ServiceAccount", "name": TENANT, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": TENANT, "namespace": NAMESPACE}}
    world.do(world.memory.apply(account, manager="admin"))
    binding = {"apiVersion": _RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": TENANT}}
    world.do(world.memory.apply({**binding, "subjects": [subject], "roleRef": role}, manager="admin"))


def forbid_tenant(world: World) -> None:
    if tenant_allowed(world):
        world.do(world.memory.delete(_BINDING))


_BINDING = Ref(_RBAC, "ClusterRoleBinding", "", TENANT)


def tenant_allowed(world: World) -> bool:
    return world.peek(_BINDING) is not None


class Storm:
    """Random actions on the releases and their world."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.releases: list[Release] = []
        self._actions = [
            (self.release, 30), (self.bad_release, 14), (self.move, 8), (self.drop, 6), (self.edit_spec, 8),
            (self.change_stages, 6), (self.suspend, 4), (self.request, 4), (self.drift, 8), (self.wipe, 6),
            (self.server_outage, 4), (self.rights, 4), (self.variables, 5), (self.delete, 3), (self.disturb_watches, 8),
            (self.source_trouble, 5), (self.restart, 4), (self.clock, 2), (self.finalizer, 2),
            (self.stand_still, 2), (self.operator, 6),
            (self.again, 3),
        ]  # fmt: skip

    def begin(self) -> None:
        allow_tenant(self.world)
        foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": NAMESPACE}}
        self.world.do(self.world.memory.create({**foreign, "data": {"a": "b"}}))
        for number in range(self.rng.choice([1, 1, 1, 2])):
            release = Release(self.world, f"rel{number}", self.rng)
            release.acting = self.rng.random() < 0.7
            self.releases.append(release)
            release.create()

    async def rage(self, actions: int) -> None:
        """So many actions, with pauses short and long between them."""
        makers, weights = zip(*self._actions, strict=True)
        for _ in range(actions):
            await asyncio.sleep(self.rng.choice([0.0, 0.05, 0.5, 2.0, 8.0, 25.0]) * self.rng.random())
            self.world.check()
            action = self.rng.choices(makers, weights)[0]
            release = self.rng.choice(self.releases)
            if not release.exists:
                if self.world.stageset(release.name) is None:
                    release.create()
                continue
            done = action(release)
            if done is not None:
                await done

    # ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _source(self, release: Release) -> str:
        return self.rng.choice(release.stages)["sourceRef"]["name"]

    def release(self, release: Release) -> None:
        """A good revision: something changed, something new."""
        source = self._source(release)
        shown = release.shown[source]
        things = [t._replace(variant=t.variant + 1, outcome="ready", fixed=t.fixed) for t in shown.things]
        if self.rng.random() < 0.4 or not things:
            things.append(release.thing(source))
        release.show(source, Shown(shown.revision + 1, tuple(things)))

    def bad_release(self, release: Release) -> None:
        source = self._source(release)
        shown = release.shown[source]
        next_one = Shown(shown.revision + 1, shown.things)
        flaw = self.rng.choice(["broken", "lying", "never", "crashloop", "fail", "fixed"])
        if flaw in ("broken", "lying"):
            release.show(source, next_one._replace(**{flaw: True}))
            return
        things = list(shown.things)
        if not any(t.kind == "Deployment" for t in things):
            things.append(release.thing(source)._replace(kind="Deployment"))
        change = {"fixed": 1 + self.rng.randint(1, 9)} if flaw == "fixed" else {"outcome": flaw}
        things = [t._replace(variant=t.variant + 1, **(change if t.kind == "Deployment" else {})) for t in things]
        release.show(source, next_one._replace(things=tuple(things)))

    def move(self, release: Release) -> None:
        """An object goes from one stage to another; for a moment both, or neither, have it."""
        if len(release.stages) < 2:
            return
        first, second = (stage["sourceRef"]["name"] for stage in self.rng.sample(release.stages, 2))
        movable = [t for t in release.shown[first].things if t.kind in ("ConfigMap", "Secret", "Deployment")]
        if not movable or len(release.shown[first].things) < 2:
            return
        thing = self.rng.choice(movable)
        left = tuple(t for t in release.shown[first].things if t is not thing)
        give = Shown(release.shown[first].revision + 1, left)
        have = release.shown[second]
        take = Shown(have.revision + 1, (*have.things, thing))
        for source, shown in self.rng.sample([(first, give), (second, take)], 2):
            release.show(source, shown)

    def drop(self, release: Release) -> None:
        source = self._source(release)
        shown = release.shown[source]
        if len(shown.things) > 1:
            gone = self.rng.choice(shown.things)
            left = tuple(t for t in shown.things if t is not gone)
            release.show(source, Shown(shown.revision + 1, left))

    def edit_spec(self, release: Release) -> None:
        choice = self.rng.choice(["timeout", "retryInterval", "prune", "substitute"])
        stage = self.rng.choice(release.stages)
        if choice == "prune":
            stage["prune"] = not stage.get("prune", True)
            release.lenient = True
            release.kept.add(stage["name"])
        elif choice == "substitute" and "postBuild" in stage:
            stage["postBuild"]["substitute"] = {"extra": f"x{self.rng.randint(1, 9)}"}
        elif choice == "timeout":
            release.spec["timeout"] = self.rng.choice(["5s", "15s", "45s"])
        else:
            release.spec["retryInterval"] = self.rng.choice(["5s", "10s", "30s"])
        release.write()

    def change_stages(self, release: Release) -> None:
        choice = self.rng.choice(["add", "remove", "rename", "shuffle"])
        if choice == "add" and len(release.stages) < 5:
            release.add_stage()
        elif choice == "remove" and len(release.stages) > 1:
            release.stages.remove(self.rng.choice(release.stages))
        elif choice == "rename":
            stage = self.rng.choice(release.stages)
            stage["name"] += "x"
        else:
            self.rng.shuffle(release.stages)
        release.write()

    def suspend(self, release: Release) -> None:
        release.spec["suspend"] = not release.spec.get("suspend", False)
        release.write()

    def request(self, release: Release) -> None:
        def change(found: Object) -> None:
            found["metadata"].setdefault("annotations", {})[names.REQUESTED_AT] = self.world.now_text()

        self.world.edit(release.name, change)
        self.world.tell(f"{release.name}: requested")

    def drift(self, release: Release) -> None:
        """Somebody deletes or changes an owned object."""
        owned = sorted(self.world.owned_objects(), key=lambda one: id_of(one[0]))
        owned = [one[0] for one in owned if one[0]["kind"] in ("ConfigMap", "Secret", "Deployment", "Job")]
        if not owned:
            return
        obj = self.rng.choice(owned)
        metadata = obj["metadata"]
        ref = Ref(obj["apiVersion"], obj["kind"], metadata["namespace"], metadata["name"])
        self.world.tell(f"by hand: {ref}")
        if self.rng.random() < 0.5 or obj["kind"] not in ("ConfigMap", "Deployment"):
            self.world.do(self.world.memory.delete(ref))
            return
        patch = (
            {"data": {"variant": "by hand", "drift": "1"}} if obj["kind"] == "ConfigMap" else {"spec": {"replicas": 3}}
        )
        self.world.do(self.world.memory.patch(ref, patch, type="merge", manager="hand"))

    def wipe(self, release: Release) -> None:
        """Status or inventories are lost."""
        if self.rng.random() < 0.5:
            wipe_status(self.world, release.name)
        else:
            wipe_inventories(self.world)

    async def server_outage(self, release: Release) -> None:
        self.world.server.down = True
        self.world.tell("artifact server down")
        await asyncio.sleep(self.rng.random() * 40)
        self.world.server.down = False
        self.world.tell("artifact server up")

    def rights(self, release: Release) -> None:
        if tenant_allowed(self.world):
            forbid_tenant(self.world)
        else:
            allow_tenant(self.world)
        self.world.tell(f"tenant allowed: {tenant_allowed(self.world)}")

    def variables(self, release: Release) -> None:
        references = release.variables()
        if not references:
            return
        reference = self.rng.choice(references)
        ref = Ref("v1", reference["kind"], NAMESPACE, reference["name"])
        if self.rng.random() < 0.5 and self.world.peek(ref) is not None:
            self.world.do(self.world.memory.delete(ref))
        else:
            release.provide(reference, value=f"value{self.rng.randint(1, 99)}")
        self.world.tell(f"variables {ref.name}: {self.world.peek(ref) is not None}")

    def delete(self, release: Release) -> None:
        self.world.do(self.world.memory.delete(stageset_ref(release.name)))
        release.exists = False
        self.world.tell(f"StageSet {release.name} deleted")

    def disturb_watches(self, release: Release) -> None:
        if self.rng.random() < 0.4:
            self.world.memory.forget_history()
        self.world.memory.drop_watches()
        self.world.tell("watches dropped")

    def source_trouble(self, release: Release) -> None:
        source = self._source(release)
        choice = self.rng.choice(["False", "Unknown", "gone"])
        self.world.tell(f"source {source}: {choice}")
        if choice == "gone":
            ref = Ref(SOURCE, "ExternalArtifact", NAMESPACE, source)
            if self.world.peek(ref) is not None:
                self.world.do(self.world.memory.delete(ref))
        else:
            self.world.show_source(source, ready=choice)

    async def restart(self, release: Release) -> None:
        if self.world.line.alive:
            self.world.tell("controller killed")
            await self.world.restart()

    def stand_still(self, release: Release) -> None:
        """A controller is stopped for so long that another one takes over."""
        if self.world.line.alive and not self.world.line.stopped_s:
            self.world.strike("stop")

    def operator(self, release: Release) -> None:
        release.operate()

    def again(self, release: Release) -> None:
        """The actions of a stage are asked for once more."""
        stage = self.rng.choice(release.stages)["name"]
        annotate(self.world, release.name, names.RECONCILE_STAGE, f"{stage}@{self.world.now_text()}")

    def clock(self, release: Release) -> None:
        """The wall clock is set."""
        self.world.clock.skew_ms = self.rng.randint(-20_000, 20_000)
        self.world.tell(f"clock off by {self.world.clock.skew_ms} ms")

    def finalizer(self, release: Release) -> None:
        def change(found: Object) -> None:
            found["metadata"]["finalizers"] = []

        self.world.edit(release.name, change)
        # Should it be deleted before the finalizer is back, nobody can take down what it has.
        release.lenient = True
        self.world.tell(f"{release.name}: finalizers removed by hand")


def wipe_status(world: World, name: str) -> None:
    patch = [{"op": "remove", "path": "/status"}]
    if (world.stageset(name) or {}).get("status"):
        world.do(world.memory.patch(stageset_ref(name), patch, type="json", subresource="status"))
        world.tell(f"{name}: status wiped")


def wipe_inventories(world: World) -> None:
    for name in world.inventories():
        world.do(world.memory.delete(Ref(names.API_VERSION, "StageInventory", NAMESPACE, name)))
    world.tell("inventories wiped")


def chances_of(rng: Random) -> Chances:
    """How rough this seed is."""
    rough = rng.choice([0.0, 0.0, 0.01, 0.03, 0.08])
    return Chances(
        unavailable=rough * rng.random(),
        lost=rough * rng.random(),
        throttled=rough * rng.random(),
        conflict=rough * rng.random(),
        ledger=rng.choice([0.0, 0.0, 0.05]),
        fetch=rng.choice([0.0, 0.0, 0.2]),
        slow=rng.choice([0.0, 0.0, 0.02]),
        delay_s=rng.choice([0.0, 0.02, 0.3]),
    )
