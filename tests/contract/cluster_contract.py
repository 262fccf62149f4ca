"""The contract of the Cluster port: what a real API server does, as cases that run on every implementation.

A case is a coroutine that takes a `Bench`. Whoever runs them gives each a fresh namespace. A case that the real API
server fails is wrong, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.contract import (
    cases_access,
    cases_apply,
    cases_conflicts,
    cases_crd,
    cases_delete,
    cases_objects,
    cases_watch,
    cases_workloads,
)
from tests.contract.bench import Bench

Case = Callable[[Bench], Awaitable[None]]

_MODULES = (
    cases_objects,
    cases_apply,
    cases_conflicts,
    cases_delete,
    cases_watch,
    cases_crd,
    cases_access,
    cases_workloads,
)

#: Every case by its name.
CASES: dict[str, Case] = {
    f"{module.__name__.rsplit('.', 1)[1].removeprefix('cases_')}.{name}": case
    for module in _MODULES
    for name, case in vars(module).items()
    if getattr(case, "__module__", "") == module.__name__ and not name.startswith("_") and callable(case)
}
