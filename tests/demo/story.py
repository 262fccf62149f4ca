"""The acts: a release, a broken one, one that survives a kill, and what the ledger says of them all.

Not the programs' handling and not the data. Each act checks what it shows.
"""

from __future__ import annotations

import os

from tests.demo import release
from tests.demo.controls import Controls, attempted, near, ready
from tests.demo.terminal import DemoFailed

#: On somebody's cluster the migration's Job needs an image; on the sandbox nothing is pulled.
IMAGE = "DEMO_IMAGE"
#: What each stage of a run cost, from the ledger alone.
_COUNTS = (
    "select stage, sum(type = 'apply.intended') as intended, sum(type = 'apply.finished') as applied"
    " from event where run = '{run}' and stage <> '' group by stage order by min(seq)"
)


class Story:
    """The demo's acts, in order."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._world, self._terminal = controls.world, controls.terminal
        #: the run that was killed in its second stage
        self._killed = ""
        #: the run of the broken release
        self.failed = ""

    def begin(self) -> None:
        """Start everything."""
        controls = self._controls
        controls.begin()
        self._terminal.good(
            f"the controller runs (pid {controls.controller.pid}), its ledger is {near(controls.ledger)}"
        )

    def good_release(self) -> None:
        """Act 1: three stages, one after the other."""
        world, terminal, controls = self._world, self._terminal, self._controls
        terminal.title(f"Release {release.GOOD}: database, then backend, then frontend")
        terminal.say(
            "Stage database begins with a migration (a Job from an artifact of its own) and ends with its "
            "announcement (a POST to a server that logs it)."
        )
        world.apply(
            release.source(release.NAME, namespace=world.namespace),
            release.source(release.MIGRATIONS, namespace=world.namespace),
            release.smoke_test(world.namespace),
        )
        self.publish_migration(release.SCHEMA)
        self._publish(release.GOOD)
        world.apply(release.stageset(world.namespace, hook_host=controls.hook_host))
        status = controls.until_ready(release.GOOD)
        world.show("get stagesets")
        controls.show_stages(status, [release.GOOD] * 3, phases=["Ready"] * 3)
        world.show("get stageinventory -l stages.metio.wtf/stage-set=shop")

    def broken_release(self) -> None:
        """Act 2: the second stage does not become ready; the third is left alone."""
        terminal, controls = self._terminal, self._controls
        terminal.title(f"Release {release.BROKEN}: its backend does not start")
        self._publish(release.BROKEN)
        status = controls.until(
            "the run halts",
            lambda status: ready(status)["reason"] == "StageFailed" and attempted(status) == release.BROKEN,
        )
        # A retry may have begun: the run that failed is the one that the ledger says so of.
        ((self.failed,),) = controls.ask("select run from event where type = 'run.failed' order by seq limit 1")
        self._world.show("get stagesets")
        revisions = [release.BROKEN, release.GOOD, release.GOOD]
        controls.show_stages(status, revisions, phases=["Ready", "Failed", "Pending"])
        terminal.good(f"StageFailed names stage and operation; stage frontend is still on {release.GOOD}")

    def killed_release(self) -> None:
        """Act 3: SIGKILL while the second stage is verified; the same run goes on."""
        world, terminal, controls = self._world, self._terminal, self._controls
        terminal.title(f"Release {release.FIXED}: kill -9 in the middle")
        terminal.say("Backend also waits for the result of its smoke test, which is not there yet.")
        world.kubectl("delete", "configmap", release.SMOKE_TEST)
        self._publish(release.FIXED)
        controls.until(
            "stage backend is being verified",
            lambda status: attempted(status) == release.FIXED and status["stages"][1]["phase"] == "Verifying",
        )
        self._killed, before = controls.last_run()[0], self._applied()
        controls.kill_controller()
        world.show("get stagesets")
        controls.start_controller()
        world.apply(release.smoke_test(world.namespace))
        terminal.good(f"the controller is started again (pid {controls.controller.pid}); the smoke test has passed")
        status = controls.until_ready(release.FIXED)
        controls.show_stages(status, [release.FIXED] * 3, phases=["Ready"] * 3)
        self._check_resumed(self._killed, before)

    def from_the_ledger(self, *, migrated: str) -> None:
        """The whole story, with the cluster gone quiet. `migrated` is the run of the new schema."""
        terminal, controls = self._terminal, self._controls
        terminal.title("What happened? The ledger tells, and nothing else is asked")
        ledger, (_, stream) = near(controls.ledger), controls.last_run()
        controls.stagesetctl("ledger", "ls", ledger)
        controls.stagesetctl("ledger", "show", "--stream", stream, "--type", "run.*", "--type", "stage.*", ledger)
        terminal.say(
            f"Release {release.FIXED} in its second stage. Its verification was begun by one process and answered by "
            "the next; between the two, on the ledger's own stream, is only a new writer's epoch:"
        )
        controls.stagesetctl("ledger", "show", "--run", self._killed, "--stage", release.SECOND, ledger)
        controls.stagesetctl("ledger", "show", "--stream", "ledger", ledger)
        terminal.say(
            f"The actions of schema {release.NEW_SCHEMA}, written by three processes. What is intended is on disk "
            "before it is done, so each process knows what the one before it was about to do:"
        )
        types = ("--type", "action.*", "--type", "operator.*")
        controls.stagesetctl("ledger", "show", "--run", migrated, *types, ledger)

    def publish_migration(self, revision: str) -> None:
        """Let the migration's source stand for a revision."""
        sandbox = self._world.sandbox
        image = f"registry.invalid/{release.MIGRATIONS}" if sandbox else os.environ.get(IMAGE) or "busybox"
        self._controls.publish(release.migration(revision, namespace=self._world.namespace, image=image))

    def _publish(self, revision: str) -> None:
        world = self._world
        self._controls.publish(release.artifact(revision, namespace=world.namespace, workloads=world.sandbox))
        self._terminal.good(f"the source has revision {revision}")

    def _applied(self) -> dict[str, str]:
        """Uid, and what moves with every apply that changes something (a Deployment's version follows its status)."""
        listed = self._world.get("configmaps,deployments", "-l", f"stages.metio.wtf/name={release.NAME}")
        return {
            f"{obj['kind']}/{obj['metadata']['name']}": f"{obj['metadata']['uid']} "
            + str(obj["metadata"].get("generation") or obj["metadata"]["resourceVersion"])
            for obj in listed["items"]
            if "frontend" not in obj["metadata"]["name"]
        }

    def _check_resumed(self, run: str, before: dict[str, str]) -> None:
        terminal, controls = self._terminal, self._controls
        controls.show_query(_COUNTS.format(run=run))
        if (last := controls.last_run()[0]) != run:
            raise DemoFailed(f"another run was opened after the restart: {last}, not {run}")
        after = self._applied()
        # The broken Deployment is not there any more where the fixed revision has none.
        twice = {name: (was, after[name]) for name, was in before.items() if after.get(name, was) != was}
        if twice:
            raise DemoFailed(f"objects changed although they had been applied before the kill: {twice}")
        terminal.good(f"the same run went on ({run}); every stage was applied once")
        terminal.good(
            f"{len(before.keys() & after.keys())} objects that were there before the kill have not been touched since"
        )
