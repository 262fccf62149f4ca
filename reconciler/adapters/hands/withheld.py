"""The second line: no answer with a secret value in it is handed on to be recorded, whatever the first line overlooked.

Not the first line (`compute.secrecy`, `compute.redaction`), which takes values out where texts come in. Invariant: what
is refused here is named by its place, never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ledger.events import Finished
from reconciler.compute.redaction import Redactor
from reconciler.ports.hands import Answer

#: Shorter values are too often ordinary words to fail an operation for.
BYTES_MIN = 9


def leaks(secrets: Iterable[str], *, record: str) -> Callable[[str], bool] | None:
    """What tells whether a text holds one of these values, in any form that `Redactor` knows; `None` without values.

    A value that the recorded manifests hold in the clear was spelled out by whoever wrote them: it is no secret there.
    """
    guarded = [value for value in secrets if len(value.encode()) >= BYTES_MIN and value not in record]
    return Redactor(guarded).finds if guarded else None


def checked(answer: Answer, *, leaks: Callable[[str], bool] | None) -> Answer:
    """The answer, or in its place a failure that says where it would have held a secret value."""
    event = answer.event
    texts = list(_texts(msgspec.to_builtins(event), "")) if leaks is not None else []
    # One look at all of them first: there is hardly ever anything to find.
    if leaks is None or not leaks("\n".join(text for _, text in texts)):
        return answer
    place = next((path for path, text in texts if leaks(text)), "its text")
    kind: type[Finished] = type(event)
    known = {name: getattr(event, name) for name in kind.__struct_fields__ if name in {"hook", "action"}}
    refused = kind(
        reason="SecretInRecord",
        message=(
            f"what came of it holds a value of a Secret, at {place}, and was not recorded; what was done was done. "
            "Please report it: such values are taken out before"
        ),
        retryable=False,
        **known,
    )
    return Answer(refused, "failed" if answer.outcome in {"ok", "skipped"} else answer.outcome)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            # A key may be what holds it.
            yield f"a key of {path or 'it'}", str(key)
            yield from _texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{at}]")
