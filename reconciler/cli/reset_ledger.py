"""`stagesetctl reset-ledger`: a completed Lifetime action counts as not done, and is performed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.params import ACTION, EXIT_CODES, STAGE, STAGESET, Refused, cluster_options

if TYPE_CHECKING:
    from reconciler.cli.reaching import Reached


@click.command("reset-ledger", epilog=EXIT_CODES)
@STAGE
@ACTION
@cluster_options
@STAGESET
def reset_ledger(stageset: str, stage: str, action: str, **options: Any) -> None:
    """Make a completed Lifetime action count as not done.

    IT IS PERFORMED AGAIN by the run that follows at once. An entry of the action in spec.baseline of the StageLedger is
    taken out first, and the controller must have seen that, even with --no-wait: else the entry would declare the
    action as done again.

    \b
    Example:
      stagesetctl reset-ledger shop -n shop --stage database --action create-schema
    """
    from reconciler.cli.reaching import perform

    async def work(reached: Reached) -> None:
        await _reset(reached, stage=stage, action=action)

    perform(stageset, options, work)


async def _reset(reached: Reached, *, stage: str, action: str) -> None:
    from reconciler.cli.reaching import fresh_token, listed, until
    from reconciler.cli.stageledgers import drop_baseline, is_completed, read
    from reconciler.compute.requests import RESET
    from reconciler.compute.stageledger import observed_generation

    await reached.stageset()
    ledger = await read(reached)
    if not is_completed(ledger, stage=stage, action=action):
        done = [f"{one.stage}/{one.action}" for one in (ledger.completions if ledger else ())]
        raise Refused(f"{reached.words} has no completed Lifetime action {stage}/{action}; completed: {listed(done)}")
    dropped = await drop_baseline(reached, stage=stage, action=action)
    if dropped is not None and not await until(
        lambda: read(reached),
        lambda one: one is None or observed_generation(one) >= dropped.generation,
        timeout_s=reached.options.timeout,
    ):
        raise Refused(
            f"StageLedger {reached.namespace}/{reached.name}: {stage}/{action} was taken out of spec.baseline, but no "
            f"controller has seen it within {reached.options.timeout:g} s, so the completion was not reset; try again"
        )
    await reached.ask(RESET, f"{stage}/{action}@{fresh_token()}")
    reached.say(
        f"Lifetime action {action} of stage {stage} counts as not done", request=RESET, stage=stage, action=action
    )
