"""How a fetch of an artifact is judged, and in which words it is refused: from what came back, or did not.

Not the fetch. Invariant: each refusal carries in its evidence all that it was made of, so that `again` makes the same.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any

from reconciler.compute.fields import mapping, text, whole
from reconciler.compute.sizes import human_bytes
from reconciler.compute.urlguard import Guard, Refusal, display, parse_address
from reconciler.errors import OperationError

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def expected(digest: str, url: str) -> str:
    """The 64 hex digits of a pinned digest. Raises `OperationError` (`DigestInvalid`)."""
    match = _DIGEST.fullmatch(digest.strip().lower())
    if match:
        return match[1]
    shown = digest[:100]
    message = (
        f"the digest {shown!r} of {display(url)} is not sha256:<64 hex digits>: check the source's status.artifact"
    )
    raise _failed("DigestInvalid", message, url=url, retryable=False)


def check(url: str, digest: str, *, found: str, size_bytes: int) -> None:
    """Raise `OperationError` (`DigestMismatch`) unless the bytes that came, with the digest `found`, are the pinned."""
    wanted = expected(digest, url)
    if hmac.compare_digest(found, wanted):
        return
    message = (
        f"{display(url)} ({human_bytes(size_bytes)}) has the digest sha256:{found}, not the pinned sha256:{wanted}: "
        "the server has other content than the source's status says; reconcile the source"
    )
    raise _failed("DigestMismatch", message, url=url, retryable=False, found=found, size=size_bytes)


def oversized(url: str, size_bytes: int | None, *, cap: int) -> OperationError:
    """More than `cap` bytes; without a size the server did not say how many."""
    size = human_bytes(size_bytes) if size_bytes is not None else f"more than {human_bytes(cap)}"
    message = f"{display(url)} has {size}, and artifacts may have {human_bytes(cap)}: exclude files at the source"
    known = {"size": size_bytes} if size_bytes is not None else {}
    return _failed("TooLarge", message, url=url, retryable=False, cap=cap, **known)


def bad_status(url: str, *, status: int, phrase: str) -> OperationError:
    """An answer other than 200."""
    reason = re.sub(r"[^ -~]", "", phrase)[:60]
    answer = f"{status} {reason}".strip()
    message = f"{display(url)} answered {answer}, and only 200 is taken: check the source object and its controller"
    return _failed("BadStatus", message, url=url, retryable=True, status=status, phrase=reason)


def redirects(url: str, *, redirects_max: int) -> OperationError:
    """A server that redirects in circles."""
    message = f"{display(url)} redirects more than {redirects_max} times: check the source's URL"
    return _failed("BadStatus", message, url=url, retryable=True, redirects=redirects_max)


def slow(url: str, *, limit_s: float) -> OperationError:
    """Not done in time."""
    message = f"{display(url)} was not fetched within {limit_s:g} s: the server or the network is too slow"
    return _failed("Timeout", message, url=url, retryable=True, limit=limit_s)


def unreachable(url: str, *, cause: str) -> OperationError:
    """No complete answer; `cause` in words."""
    message = f"{display(url)} cannot be fetched: {cause}; check the server and the network between"
    return _failed("Unreachable", message, url=url, retryable=True, cause=cause)


def refused(url: str, refusal: Refusal, *, guard: Guard) -> OperationError:
    """A URL, or an address that its host leads to, that the guard does not let through."""
    return _failed("URLRefused", str(refusal), url=url, retryable=False, **judged(refusal, guard))


def judged(refusal: Refusal, guard: Guard) -> dict[str, Any]:
    """What a guard judged by: its lists and, where a name led there, the address."""
    kept: dict[str, Any] = {
        "flag": guard.flag,
        "allowed": sorted(guard.allowed)[:100],
        "globs": list(guard.globs[:100]),
    }
    return {"guard": kept} | ({"resolved": list(refusal.resolved)} if refusal.resolved else {})


def judge(url: str, facts: Mapping[str, Any]) -> None:
    """Judge a URL again by recorded facts. Raises `Refusal`; returns where the guard lets it through."""
    kept = mapping(dict(facts), "guard")
    guard = Guard(
        flag=text(kept, "flag"), allowed=frozenset(kept.get("allowed") or ()), globs=tuple(kept.get("globs") or ())
    )
    target = guard.check_url(url)
    resolved = facts.get("resolved")
    if isinstance(resolved, list) and len(resolved) == 3 and resolved[:2] == [target.host, target.port]:
        address = parse_address(str(resolved[2]))
        assert address is not None, "it was an address when it was recorded"
        guard.check_address(str(resolved[0]), int(resolved[1]), address)


def again(url: str, digest: str, facts: Mapping[str, Any], *, reason: str) -> OperationError | None:
    """The refusal of a fetch made once more from its evidence; None where that does not hold what it was made of."""
    known = dict(facts)
    at = text(known, "url")
    place = url if display(url) == at else at
    try:
        match reason:
            case "DigestInvalid":
                expected(digest, url)
            case "DigestMismatch" if text(known, "found"):
                check(place, digest, found=text(known, "found"), size_bytes=whole(known, "size") or 0)
            case "URLRefused" if "guard" in known:
                judge(place, known)
    except OperationError as error:
        return error
    except Refusal as refusal:
        return _failed("URLRefused", str(refusal), url=place, retryable=False)
    return _from_answer(place, known, reason=reason)


def _from_answer(url: str, known: dict[str, Any], *, reason: str) -> OperationError | None:
    match reason:
        case "BadStatus" if (limit := whole(known, "redirects")) is not None:
            return redirects(url, redirects_max=limit)
        case "BadStatus" if (status := whole(known, "status")) is not None:
            return bad_status(url, status=status, phrase=text(known, "phrase"))
        case "TooLarge" if (cap := whole(known, "cap")) is not None:
            return oversized(url, whole(known, "size"), cap=cap)
        case "Unreachable" if text(known, "cause"):
            return unreachable(url, cause=text(known, "cause"))
        case "Timeout" if "limit" in known:
            return slow(url, limit_s=float(known["limit"]))
    return None


def _failed(reason: str, message: str, *, url: str, retryable: bool, **facts: Any) -> OperationError:
    return OperationError(message, reason=reason, retryable=retryable, evidence={"url": display(url), **facts})
