"""What commands read of a StageLedger, and write into its spec."""

from __future__ import annotations

from reconciler.api import names
from reconciler.cli.params import Refused
from reconciler.cli.reaching import Reached
from reconciler.compute.fields import maps, text
from reconciler.compute.stageledger import KIND, StageLedgerShown, shown_of
from reconciler.errors import AlreadyExists, Conflict, NotFound
from reconciler.ports.cluster import Object, Ref

#: Tries when somebody else writes at the same time.
ROUNDS_MAX = 5


def is_completed(ledger: StageLedgerShown | None, *, stage: str, action: str) -> bool:
    """Whether the StageLedger shows an action as done."""
    return ledger is not None and any((one.stage, one.action) == (stage, action) for one in ledger.completions)


def lifetime_of(stage: Object) -> list[str]:
    """Names of the Lifetime actions before and after a stage."""
    around = (*maps(stage, "actions", "pre"), *maps(stage, "actions", "post"))
    return [text(one, "name") for one in around if text(one, "scope") == "Lifetime"]


async def read(reached: Reached) -> StageLedgerShown | None:
    """The StageLedger of a StageSet; None where there is none."""
    try:
        return shown_of(await reached.cluster.get(_ref(reached)))
    except NotFound:
        return None


async def add_baseline(reached: Reached, *, stage: str, action: str) -> StageLedgerShown:
    """Declare an action as done; the StageLedger is created where there is none. Returns it as it is then."""
    for _ in range(ROUNDS_MAX):
        ledger = await read(reached)
        try:
            if ledger is None:
                return await _created(reached, (stage, action))
            if (stage, action) in ledger.baseline:
                return ledger
            return await _written(reached, ledger, (*ledger.baseline, (stage, action)))
        except (Conflict, AlreadyExists):
            continue
    raise _busy(reached)


async def drop_baseline(reached: Reached, *, stage: str, action: str) -> StageLedgerShown | None:
    """Take an action out of the baseline. Returns the StageLedger as it is then; None where nothing was to be done."""
    for _ in range(ROUNDS_MAX):
        ledger = await read(reached)
        if ledger is None or (stage, action) not in ledger.baseline:
            return None
        try:
            return await _written(reached, ledger, tuple(one for one in ledger.baseline if one != (stage, action)))
        except Conflict:
            continue
    raise _busy(reached)


async def _created(reached: Reached, entry: tuple[str, str]) -> StageLedgerShown:
    metadata = {"namespace": reached.namespace, "name": reached.name}
    wanted = {"apiVersion": names.API_VERSION, "kind": KIND, "metadata": metadata, "spec": _spec((entry,))}
    # Without force: a StageLedger that came meanwhile with another baseline is a conflict.
    return shown_of(await reached.cluster.apply(wanted, manager=names.CLI_FIELD_MANAGER, force=False))


async def _written(
    reached: Reached, ledger: StageLedgerShown, entries: tuple[tuple[str, str], ...]
) -> StageLedgerShown:
    patch = {"metadata": {"resourceVersion": ledger.resource_version}, "spec": _spec(entries)}
    found = await reached.cluster.patch(_ref(reached), patch, type="merge", manager=names.CLI_FIELD_MANAGER)
    return shown_of(found)


def _spec(entries: tuple[tuple[str, str], ...]) -> Object:
    return {"baseline": [{"stage": stage, "action": action} for stage, action in entries]}


def _ref(reached: Reached) -> Ref:
    return Ref(names.API_VERSION, KIND, reached.namespace, reached.name)


def _busy(reached: Reached) -> Refused:
    return Refused(f"{KIND} {reached.namespace}/{reached.name}: somebody else writes it all the time; try again")
