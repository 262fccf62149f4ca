"""`stagesetctl baseline`: a Lifetime action counts as done although it never ran here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.params import ACTION, EXIT_CODES, STAGE, STAGESET, Refused, cluster_options

if TYPE_CHECKING:
    from reconciler.cli.reaching import Reached
    from reconciler.compute.stageledger import StageLedgerShown


@click.command(epilog=EXIT_CODES)
@STAGE
@ACTION
@click.option("--ahead", is_flag=True, help="The StageSet is not there yet: declare it before it is created.")
@cluster_options
@STAGESET
def baseline(stageset: str, stage: str, action: str, ahead: bool, **options: Any) -> None:
    """Declare a Lifetime action as done.

    For systems that are adopted: what a Lifetime action would do was done long ago by other means. The entry is added
    to spec.baseline of the StageSet's StageLedger, which is created where there is none; the controller records it as
    a completion. Taking the entry away again does not undo it (see reset-ledger).

    \b
    Examples:
      stagesetctl baseline shop -n shop --stage database --action create-schema
      stagesetctl baseline shop -n shop --stage database --action create-schema --ahead
    """
    from reconciler.cli.reaching import perform

    async def work(reached: Reached) -> None:
        await _baseline(reached, stage=stage, action=action, ahead=ahead)

    perform(stageset, options, work)


async def _baseline(reached: Reached, *, stage: str, action: str, ahead: bool) -> None:
    from reconciler.cli.reaching import listed, stage_of, until
    from reconciler.cli.stageledgers import add_baseline, is_completed, lifetime_of, read
    from reconciler.compute.stageledger import invalid_baseline

    if ahead:
        reached = reached._replace(options=reached.options._replace(wait=False))
    else:
        known = lifetime_of(stage_of(await reached.stageset(), stage, words=reached.words))
        if action not in known:
            raise Refused(
                f"{reached.words}: stage {stage} has no pre or post action {action!r} with scope Lifetime; "
                f"it has {listed(known)}"
            )
    ledger = await add_baseline(reached, stage=stage, action=action)
    if reached.options.wait:
        seen = await until(
            lambda: read(reached),
            lambda one: is_completed(one, stage=stage, action=action) or _is_refused(one, ledger.generation),
            timeout_s=reached.options.timeout,
        )
        if seen is None:
            raise Refused(
                f"StageLedger {reached.namespace}/{reached.name}: the baseline is declared and stays so, but no "
                f"controller has taken it up within {reached.options.timeout:g} s; is one running?"
            )
        if not is_completed(seen, stage=stage, action=action):
            raise Refused(f"StageLedger {reached.namespace}/{reached.name}: {invalid_baseline(seen.status)}")
    reached.say(
        f"Lifetime action {action} of stage {stage} counts as done", request="baseline", stage=stage, action=action
    )


def _is_refused(ledger: StageLedgerShown | None, generation: int) -> bool:
    from reconciler.compute.stageledger import invalid_baseline, observed_generation

    return ledger is not None and observed_generation(ledger) >= generation and bool(invalid_baseline(ledger.status))
