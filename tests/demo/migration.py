"""The act of the migration: kill -9 twice around it, and three witnesses that nothing was done twice.

The first kill comes when the Job was created, the second when the hook server has the request and nobody its answer.
Nothing is timed: each kill waits for what the ledger, the cluster or the server's log shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tests.demo import release
from tests.demo.controls import Controls, Status, near, ready
from tests.demo.story import Story
from tests.demo.terminal import DemoFailed

_MESSAGE = 'get stageset shop -o jsonpath=\'{.status.conditions[?(@.type=="Ready")].message}{"\\n"}\''
#: What became of each action, from the ledger alone. A key is the same in every try of one thing to be done.
_TIMES = (
    "select substr(idem, 1, 12) as key, body ->> 'action' as action, sum(type = 'action.intended') as intended,"
    " count(distinct body ->> '$.objects[0].uid') as jobs, sum(type = 'action.skipped') as 'found done'"
    " from event where type like 'action.%' group by idem order by min(seq)"
)


class Made(NamedTuple):
    """A Job that the ledger says was created."""

    name: str
    uid: str
    #: of its action
    key: str


class Migration:
    """A new revision of the migration alone."""

    def __init__(self, controls: Controls, story: Story) -> None:
        self._controls, self._story = controls, story
        self._world, self._terminal = controls.world, controls.terminal
        #: requests that the hook server had before
        self._asked = 0
        #: the run that is killed twice
        self.run = ""

    def play(self) -> None:
        """The act."""
        terminal, controls = self._terminal, self._controls
        terminal.title(f"Schema {release.NEW_SCHEMA}: a migration, and kill -9 twice")
        job = self._until_created()
        controls.kill_controller()
        self._finish_unwatched(job)
        controls.start_controller()
        self._until_asked()
        controls.kill_controller()
        controls.hold.unlink()
        controls.start_controller()
        self._answer()
        self.hear_witnesses(job)

    def _until_created(self) -> Made:
        """The new migration's Job, created and recorded; it does not run yet."""
        controls = self._controls
        known, self._asked = {one.uid for one in self._made()}, len(self._requests())
        controls.hold.touch()
        self._story.publish_migration(release.NEW_SCHEMA)
        self._terminal.good(
            f"the migration's source has revision {release.NEW_SCHEMA}; this Job is made suspended, so that it waits "
            "for somebody"
        )
        job = controls.until_told(
            "the ledger has the UID of the Job",
            lambda: next((one for one in self._made() if one.uid not in known), None),
        )
        self._world.show(f"get job {job.name}")
        self.run = controls.last_run()[0]
        return job

    def _finish_unwatched(self, job: Made) -> None:
        self._terminal.say("Nobody watches. The migration is let go, and runs to its end all the same:")
        self._world.show(f'patch job {job.name} --type merge -p \'{{"spec":{{"suspend":false}}}}\'')
        self._controls.until_told("the Job is complete", lambda: self._completed(job))

    def _completed(self, job: Made) -> bool | None:
        live = self._world.get("job", job.name)
        if live is None or live["metadata"]["uid"] != job.uid:
            raise DemoFailed(f"Job {job.name} with UID {job.uid} is not there any more: {live and live['metadata']}")
        return any(one["type"] == "Complete" for one in live["status"].get("conditions", [])) or None

    def _until_asked(self) -> None:
        """The controller took up the Job that it had created, and the next step is under way."""
        controls, terminal = self._controls, self._terminal
        terminal.good(f"the controller is started again (pid {controls.controller.pid})")
        terminal.say("The hook server takes the announcement now, and is slow to answer.")
        controls.until_told("the hook server has the request", lambda: len(self._requests()) > self._asked or None)

    def _answer(self) -> None:
        """Whether the request did anything the controller cannot know, and the server's people do."""
        controls, terminal, world = self._controls, self._terminal, self._world
        terminal.good(f"the controller is started again (pid {controls.controller.pid})")
        controls.until("the stage is held", _is_held)
        world.show(_MESSAGE)
        terminal.say("It does not guess. Whoever runs the hook server knows, and answers:")
        terminal.command(f"tail -n 2 {near(self._log)}")
        terminal.output("\n".join(self._log.read_text().splitlines()[-2:]))
        kubeconfig = ("--kubeconfig", near(Path(world.kubeconfig))) if world.kubeconfig else ()
        code = controls.stagesetctl(
            "resolve", "-n", world.namespace, *kubeconfig, "--stage", release.FIRST, "--action", release.ANNOUNCE,
            "--as", "done", "--reason", "the hook server has it in its log", "--timeout", "30s", release.NAME,
        )  # fmt: skip
        if code:
            raise DemoFailed(f"the answer was not taken: exit code {code}")
        status = controls.until_ready(release.FIXED)
        controls.show_stages(status, [release.FIXED] * 3, phases=["Ready"] * 3)

    def hear_witnesses(self, job: Made) -> None:
        """The ledger, the cluster and the hook server, each for itself; then all against each other."""
        terminal, controls = self._terminal, self._controls
        terminal.say(
            "How often was each thing done? The ledger, a watch on the cluster's Jobs and the hook server, each for "
            "itself. An action's key is its Idempotency-Key:"
        )
        controls.show_query(_TIMES)
        seen = controls.show_lines(controls.folder / "jobs.log", with_="ADDED")
        requests = controls.show_lines(self._log, with_="POST")
        made, uids = self._made(), {line.split()[-1] for line in seen}
        if uids != {one.uid for one in made} or len(uids) != len({one.key for one in made}):
            raise DemoFailed(f"the cluster had the Jobs {sorted(uids)}, and the ledger has {made}")
        keys = [line.split()[-1] for line in requests]
        intended = self._keys(release.ANNOUNCE)
        if sorted(keys) != sorted(intended):
            raise DemoFailed(f"the hook server was sent {keys}, and the ledger has {intended}")
        terminal.good(
            f"{len(uids)} times there was something to migrate, and there were {len(uids)} Jobs; that of schema "
            f"{release.NEW_SCHEMA} ({job.uid}) ran once, although the controller was killed twice"
        )
        terminal.good(f"{len(keys)} requests for {len(intended)} announcements; none was sent twice")

    @property
    def _log(self) -> Path:
        return self._controls.folder / "hooks.log"

    def _requests(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if "POST" in line]

    def _made(self) -> list[Made]:
        rows = self._controls.ask("select idem, body from event where type = 'action.observed' order by seq")
        items = [(idem, item) for idem, body in rows for item in json.loads(body)["objects"]]
        made = [(idem, item) for idem, item in items if item["action"] == "created"]
        return list(dict.fromkeys(Made(item["id"].split("_")[1], item["uid"], idem) for idem, item in made))

    def _keys(self, action: str) -> list[str]:
        """Keys under which an action was performed."""
        query = f"select distinct idem from event where type = 'action.intended' and body ->> 'action' = '{action}'"
        return [row[0] for row in self._controls.ask(query)]


def _is_held(status: Status) -> bool:
    first = status["stages"][0]
    return ready(status)["reason"] == "StageFailed" and release.ANNOUNCE in first.get("heldActions", [])
