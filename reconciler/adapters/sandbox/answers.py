"""HTTP answers: objects, Statuses and errors as an API server sends them."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from aiohttp import web

from reconciler import errors
from reconciler.adapters.memory import status
from reconciler.errors import ClusterError

Object = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def json(body: Any, *, code: int = 200) -> web.Response:
    """A JSON body."""
    return web.Response(body=_encode(body), status=code, content_type="application/json")


def failure(error: ClusterError) -> Object:
    """The Status of an error; one is made for errors that carry none."""
    if error.status:
        return error.status
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": error.message,
        "reason": error.reason, "code": error.code or 500,
    }  # fmt: skip


def refused(error: ClusterError) -> web.Response:
    """The answer for an error."""
    body = failure(error)
    answer = json(body, code=int(body.get("code") or 500))
    if error.retry_after_s:
        answer.headers["Retry-After"] = str(int(error.retry_after_s))
    return answer


def plain(code: int, message: str, *, reason: str = "") -> web.Response:
    """A Status that names no object: for unknown paths and methods."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code}
    return json({**body, "reason": reason, "details": {}}, code=code)


def no_path() -> web.Response:
    """404 for a path that is not served: no object is named, so clients know that the kind is unknown."""
    return plain(404, "the server could not find the requested resource", reason="NotFound")


def success(details: Object) -> Object:
    """The Status of a deletion."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def body_of(request: web.Request) -> Any:
    """The request's body: JSON or YAML; None when there is none. Raises `BadRequest`, or 415 for protobuf and CBOR."""
    raw = await request.read()
    if not raw:
        return None
    if "protobuf" in request.content_type or "cbor" in request.content_type:
        raise status.make(
            errors.BadRequest,
            "the sandbox reads JSON and YAML, not protobuf: use `kubectl apply -f FILE`, not `kubectl create` with "
            "arguments",
            code=415,
        )
    try:
        if "yaml" in request.content_type and not raw.lstrip().startswith((b"{", b"[")):
            return yaml.safe_load(raw)
        return msgspec.json.decode(raw)
    except (ValueError, yaml.YAMLError) as error:
        raise status.bad_request(f"the body of the request cannot be read: {error}") from None
