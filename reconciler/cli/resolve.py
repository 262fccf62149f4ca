"""`stagesetctl resolve`: an operator's answer on an action that may or may not have run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.params import ACTION, EXIT_CODES, STAGE, STAGESET, Refused, cluster_options

if TYPE_CHECKING:
    from reconciler.cli.reaching import Reached


@click.command(epilog=EXIT_CODES)
@STAGE
@ACTION
@click.option(
    "--as",
    "answer",
    required=True,
    type=click.Choice(["done", "not-done"]),
    help="done: it took effect, do not perform it. not-done: it did not, perform it.",
)
@click.option("--reason", required=True, metavar="TEXT", help="How you know. It is recorded for ever.")
@click.option(
    "--by",
    default=lambda: os.environ.get("USER", ""),
    show_default="$USER",
    metavar="NAME",
    help="Who says so. It is recorded for ever.",
)
@cluster_options
@STAGESET
def resolve(stageset: str, stage: str, action: str, **options: Any) -> None:
    """Answer for an action that may or may not have run.

    A stage whose action was interrupted at the wrong moment is held: the controller does not know whether the action
    took effect, and does not repeat it. Find out, then say what is so. `done` records it as done and goes on;
    `not-done` performs it.

    \b
    Examples:
      stagesetctl resolve shop -n shop --stage database --action migrate --as done --reason "schema is at 42"
      stagesetctl resolve shop --stage database --action announce --as not-done --reason "no message in the channel"
    """
    from reconciler.cli.reaching import perform

    said = {"as": options.pop("answer"), "reason": options.pop("reason"), "by": options.pop("by")}

    async def work(reached: Reached) -> None:
        await _resolve(reached, stage=stage, action=action, said=said)

    perform(stageset, options, work)


async def _resolve(reached: Reached, *, stage: str, action: str, said: dict[str, str]) -> None:
    import msgspec

    from reconciler.api.problems import Problem
    from reconciler.cli.reaching import fresh_token, listed, stage_of
    from reconciler.compute.fields import maps, text
    from reconciler.compute.requests import ANNOTATIONS, RESOLVE, parse

    found = await reached.stageset()
    stage_of(found, stage, words=reached.words)
    held = {text(one, "name"): one.get("heldActions") or [] for one in maps(found, "status", "stages")}
    if action not in held.get(stage, []):
        every = [f"{at}/{name}" for at, names in held.items() for name in names]
        raise Refused(f"{reached.words} holds no action {stage}/{action}; it holds {listed(every)}")
    answer = {"stage": stage, "action": action, **{key: value for key, value in said.items() if value}}
    value = msgspec.json.encode({**answer, "token": fresh_token()}).decode()
    (request,) = parse({ANNOTATIONS[RESOLVE]: value})
    if isinstance(request, Problem):
        raise click.UsageError(request.message)
    await reached.ask(RESOLVE, value)
    reached.say(f"action {action} of stage {stage} is answered as {said['as']}", request=RESOLVE, **answer)
