"""`stagesetctl reconcile`: a run is asked for now, or the actions of one stage once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.params import EXIT_CODES, STAGESET, Refused, cluster_options

if TYPE_CHECKING:
    from reconciler.cli.reaching import Reached


@click.command(epilog=EXIT_CODES)
@click.option(
    "--stage", default="", metavar="NAME", help="Perform the Revision actions of this stage once more, although done."
)
@click.option("--force", is_flag=True, help="Ask although the StageSet is suspended; it is taken up when it resumes.")
@cluster_options
@STAGESET
def reconcile(stageset: str, stage: str, force: bool, **options: Any) -> None:
    """Ask for a run now, or for the actions of a stage once more.

    Without --stage, the release is tried again at once, whatever it waits for; what is done stays done, and an action
    that was given up (ActionDirty) gets its attempts back. With --stage, the pre and post actions of that stage that
    are done for its revision are performed once more; Lifetime actions are not (see reset-ledger). Returns when the
    controller has begun, not when the release is ready: kubectl wait --for=condition=Ready waits for that.

    \b
    Examples:
      stagesetctl reconcile shop -n shop
      stagesetctl reconcile shop --stage database
    """
    from reconciler.cli.reaching import perform

    async def work(reached: Reached) -> None:
        await _reconcile(reached, stage=stage, force=force)

    perform(stageset, options, work)


async def _reconcile(reached: Reached, *, stage: str, force: bool) -> None:
    from reconciler.api import names
    from reconciler.cli.reaching import fresh_token, stage_of
    from reconciler.compute.fields import dig, text
    from reconciler.compute.requests import STAGE

    found = await reached.stageset()
    if stage:
        stage_of(found, stage, words=reached.words)
    if dig(found, "spec", "suspend") is True:
        if not force:
            raise Refused(
                f"{reached.words} is suspended: set spec.suspend to false, or ask with --force for when it resumes"
            )
        reached = reached._replace(options=reached.options._replace(wait=False))
    token = fresh_token()
    if stage:
        await reached.ask(STAGE, f"{stage}@{token}")
        reached.say(f"the actions of stage {stage} are performed once more", request=STAGE, stage=stage, token=token)
        return
    await reached.annotate(names.REQUESTED_AT, token)
    await reached.taken_up(lambda one: text(one, "status", "lastHandledReconcileAt") == token)
    reached.say("a run has begun", request="reconcile", token=token)
