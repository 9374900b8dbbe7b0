"""Endpoints that a test or a file teaches a sandbox, beside those that it has."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs
from aiohttp import web

from nauth.errors import ConfigurationError

if TYPE_CHECKING:
    from nauth.testing.sandbox import Handler
    from nauth.testing.vendor_sandbox import VendorSandbox

__all__ = ["Serve", "Taught", "TaughtRoute", "answering", "read_routes", "teach"]

Serve: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers one request, as the router gives it back."""


class Taught:
    """The endpoints that were taught, by method and path; teaching one again replaces its answer."""

    def __init__(self) -> None:
        self._router = web.UrlDispatcher()
        self._handlers: dict[tuple[str, str], Handler] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer requests of `path`, as aiohttp's router writes it, by `handler`.

        Raises:
            ConfigurationError: the router cannot read `path`.
        """
        key = (method, path)

        async def current(request: web.Request) -> web.StreamResponse:
            # looked up at each request: the answer may have been replaced, and the router's route cannot be
            return await self._handlers[key](request)

        if key not in self._handlers:
            try:
                self._router.add_route(method, path, current)
            except ValueError as error:
                raise ConfigurationError(f"no path of an endpoint: {error}") from None
        self._handlers[key] = handler

    async def handler_of(self, request: web.Request) -> Serve | None:
        """Return what answers `request`, whose `match_info` then holds the parts of the path; None if nothing does."""
        found = await self._router.resolve(request)
        if found.http_exception is not None:
            return None
        cast("dict[str, str]", request.match_info).update(found)
        return found.handler


def answering(answer: object, success: Callable[[object], web.Response]) -> Handler:
    """Return a handler that gives `answer`.

    Args:
        answer: data, which `success` wraps; a response, such as of `VendorSandbox.failure`, given again each time; or a
            function of the request, async or not, that returns either.
        success: the vendor's envelope.

    Raises:
        ConfigurationError: `answer` is data that JSON cannot hold.
    """

    async def call(request: web.Request) -> web.Response:
        made: Any = cast("Callable[[web.Request], object]", answer)(request)
        if inspect.isawaitable(made):
            made = await made
        return made if isinstance(made, web.Response) else success(made)

    async def repeat(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        response = cast("web.Response", answer)
        headers = response.headers.copy()
        return web.Response(status=response.status, body=response.body, headers=headers)

    async def wrap(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        return success(answer)

    if callable(answer):
        return call
    if isinstance(answer, web.Response):
        return repeat
    try:
        success(answer)
    except (TypeError, ValueError):
        problem = (
            f"an endpoint cannot be taught to answer with a {type(answer).__name__}: JSON cannot hold it"
        )
    else:
        return wrap
    raise ConfigurationError(problem)


@attrs.frozen(kw_only=True)
class TaughtRoute:
    """An endpoint out of a file.

    Attributes:
        method: HTTP method.
        path: below the client's base URL; ``{name}`` stands for any one part.
        data: what a success holds.
        failure: status, words and code of a refusal instead, as `VendorSandbox.failure` takes them.
    """

    method: str = "GET"
    path: str
    data: object = None
    failure: Mapping[str, Any] | None = None


_FAILURE: Mapping[str, type] = {"status": int, "words": str, "code": str}


def read_routes(file: Path) -> list[TaughtRoute]:
    """Read endpoints from a JSON file: a list of objects with `path`, and `method`, `data` or `failure`.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else; the text names the entry.
    """
    try:
        document: object = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the file of routes cannot be read: {error}") from None
    if not isinstance(document, list):
        raise ConfigurationError("the file of routes must hold a JSON list of objects")
    return [_route(entry, number) for number, entry in enumerate(cast("list[object]", document))]


def _route(entry: object, number: int) -> TaughtRoute:
    fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    refused = fields.get("failure", {})
    good = (
        isinstance(fields.get("path"), str)
        and isinstance(fields.get("method", "GET"), str)
        and fields.keys() <= {"method", "path", "data", "failure"}
        and not {"data", "failure"} <= fields.keys()
        and isinstance(refused, dict)
        and all(
            type(value) is _FAILURE.get(name) for name, value in cast("dict[str, object]", refused).items()
        )
        and ("failure" not in fields or "status" in refused)
    )
    if not good:
        raise ConfigurationError(
            f'route {number} of the file must be an object with "path" (text), and, if wanted, "method", and either "data" '
            'or "failure": {"status": number, "words": text, "code": text}'
        )
    return TaughtRoute(**fields)


def teach(sandbox: VendorSandbox[Any], routes: Sequence[TaughtRoute]) -> None:
    """Teach `sandbox` endpoints out of a file.

    Raises:
        ConfigurationError: one of them cannot be taught.
    """
    for route in routes:
        answer = route.data if route.failure is None else sandbox.failure(**route.failure)
        sandbox.answer(route.method, route.path, answer)
