"""Planted secrets, everything that was ever shown, and whether a secret appears in it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import io
import json
import logging
import os
import pickle
import re
import sys
import traceback
import types
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import attrs
import pytest
from aiohttp import web
from rich.traceback import Traceback

from nauth.secret import Secret
from nauth.testing.sandbox import Handler, Sandbox
from tests.support.leaks.errors import TESTS, chain_of, safe_repr

__all__ = ["WRAPPED", "Canaries", "Received", "Witness", "received", "secrets_of", "wrapped"]

_SHORTEST = 6
"""Characters of a secret; shorter texts, such as "wrong", stand in every sentence."""
_PUBLIC = {"access_denied", "refused", "expires", "authCallback"}
"""What a callback says beside its code, state or tokens, wrapped like them."""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_LONG = 40
_PIECE = 20
_ALL = 1000
"""How many frames to note; set here, because the suite's default is one."""
_FRAME_FREE = (TESTS, "/_pytest/", "/pluggy/")
"""Whose frames hold canaries on purpose."""
WRAPPED = "wrapped"
"""The kind of whatever was put into a `Secret`, as far as nothing more is known of it."""
_PACKAGES = ("nauth", "nomadauth", "nombaauth", "noyoauth", "naoauth")
OURS = tuple(f"{Path(find_spec(name).origin).parent}{os.sep}" for name in _PACKAGES)  # type: ignore[union-attr, arg-type]
"""Where the packages lie, whatever the checkout is called."""


class Canaries:
    """Secrets by kind, and the forms in which each could be seen: as it is, quoted, escaped, in base64, cut off."""

    def __init__(self) -> None:
        self._forms: dict[str, str] = {}

    def __len__(self) -> int:
        return len(set(self._forms.values()))

    def add(self, kind: str, secret: str | Secret | None) -> None:
        """Plant one; a kind that says more than `WRAPPED` stays."""
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if text is None or len(text) < _SHORTEST or text in _PUBLIC:
            return
        # a number is an expiry that came with a token; an address is wrapped as each value of the environment is
        if kind == WRAPPED and (text.isdecimal() or _ADDRESS.fullmatch(text)):
            return
        forms = [text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1]]
        forms += [base64.b64encode(text.encode()).decode().rstrip("=")]
        if len(text) > _LONG and "://" not in text:  # what a log that shortens leaves of it
            forms += [text[:_PIECE], text[-_PIECE:]]
        for form in forms:
            if self._forms.get(form, WRAPPED) == WRAPPED:
                self._forms[form] = kind

    def only(self, text: str) -> Canaries:
        """Return those of which `text` holds something."""
        few = Canaries()
        few._forms = {form: kind for form, kind in self._forms.items() if form in text}
        return few

    def kinds(self, text: str) -> set[str]:
        """Return the kinds of secrets that `text` shows."""
        found = {kind for form, kind in self._forms.items() if form in text}
        # a header's whole value is wrapped too: what stands in it says more
        return found - {WRAPPED} or found


def secrets_of(thing: object) -> Iterator[tuple[str, Secret]]:
    """Give the name and value of each secret in a credential."""
    for field in attrs.fields(type(thing)):  # type: ignore[arg-type]  # an attrs class
        value = getattr(thing, field.name)
        if isinstance(value, Secret):
            yield field.name, value


# --- what a sandbox was sent ------------------------------------------------------------------------------------------


@attrs.frozen
class Received:
    """One part of a request, and where it stood: "header Authorization", "body client_secret", "path", "query x"."""

    endpoint: str
    place: str
    text: str


def received(sandbox: Sandbox) -> list[Received]:
    """Return the list in which `sandbox`, not yet started, will keep every part of what it is sent."""
    parts: list[Received] = []
    serving = sandbox._answering

    def recording(endpoint: str, handler: Handler) -> Handler:
        serve = serving(endpoint, handler)

        async def record(request: web.Request) -> web.Response:
            def note(place: str, text: str) -> None:
                parts.append(Received(endpoint, place, text))

            note("path", request.raw_path.partition("?")[0])
            for name, value in parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True):
                note(f"query {name}", value)
            for raw_name, raw_value in request.raw_headers:
                note(f"header {raw_name.decode()}", raw_value.decode())
            for name, value in _fields(await request.read()):
                note(f"body {name}", value)
            return await serve(request)

        return record

    setattr(sandbox, "_answering", recording)  # noqa: B010 - mypy minds
    return parts


def _fields(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode(errors="replace")
    try:
        yield from _leaves("", json.loads(text))
    except ValueError:
        yield from parse_qsl(text, keep_blank_values=True)


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, inner)
    else:
        yield path, str(value)


# --- what was shown ---------------------------------------------------------------------------------------------------


class _Recorder(logging.Handler):
    def __init__(self, seen: list[tuple[str, str]]) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name != "exc_info"}
        self._seen.append((f"log {record.name}", f"{self.format(record)} {fields!r} {record.args!r}"))


class Witness:
    """Sees all that a program shows: logs, warnings, output, events, errors and objects.

    Args:
        rendered: ways of errors that `rich` need not draw again; shared between witnesses, if given.
        strangers: folders of other libraries whose frames are not looked at, such as ``"/httpcore/"``.

    Attributes:
        seen: where it was seen, and the text.
        errors: how many errors were looked at.
    """

    def __init__(self, *, rendered: set[object] | None = None, strangers: tuple[str, ...] = ()) -> None:
        self.seen: list[tuple[str, str]] = []
        self.errors = 0
        self._rendered: set[object] = set() if rendered is None else rendered
        self._free = _FRAME_FREE + strangers
        self._kept: list[BaseException] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Log everything of every library at DEBUG, and keep it, with warnings and output."""
        recorder, root = _Recorder(self.seen), logging.getLogger()
        loggers = [logging.getLogger(name) for name in root.manager.loggerDict]
        levels = [(logger, logger.level) for logger in (root, *loggers)]
        # the switched-off server's own: it logs what it was sent, which is its business
        for logger, _ in levels:
            logger.setLevel(logging.DEBUG)
        out, err = io.StringIO(), io.StringIO()
        root.addHandler(recorder)
        try:
            with (
                warnings.catch_warnings(record=True) as caught,
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                warnings.simplefilter("always")
                yield
        finally:
            root.removeHandler(recorder)
            for logger, level in levels:
                logger.setLevel(level)
        self.seen += [("warning", f"{warning.message!r} {warning.message}") for warning in caught]
        self.seen += [("stdout", out.getvalue()), ("stderr", err.getvalue())]

    def event(self, event: Any) -> None:
        """Look at an observer's event."""
        self.seen.append((f"event {type(event).__name__}", f"{event} {event!r} {attrs.asdict(event)!r}"))

    def loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Look at what a loop's exception handler is told."""
        self.seen.append(("loop", repr(context)))

    def shown(self, name: str, thing: Any) -> None:
        """Look at an object in every way that shows one: text, copies, pickles, its attributes."""
        self._say(name, "text", repr(thing), str(thing), f"{thing}", f"{thing!s:>5}", ascii(thing))
        for protocol in (0, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL):
            with contextlib.suppress(Exception):  # to refuse is well
                self._say(name, f"pickle {protocol}", pickle.dumps(thing, protocol).decode("latin-1"))
        if attrs.has(type(thing)):
            for make in (copy.copy, copy.deepcopy):
                with contextlib.suppress(Exception):
                    self._say(name, make.__name__, repr(make(thing)))
            with contextlib.suppress(Exception):
                self._say(
                    name, "asdict", repr(attrs.asdict(thing)), json.dumps(attrs.asdict(thing), default=str)
                )
            self._say(name, "astuple", repr(attrs.astuple(thing, recurse=False)))
        for path, text in _attributes(thing):
            self._say(name, path, text)

    def caught(self, name: str, error: BaseException) -> None:
        """Look at an error: itself, its chain, and the locals of its frames as `rich` and error trackers print them."""
        self.errors += 1
        for part in chain_of(error):
            self._say(
                name,
                "error",
                str(part),
                repr(part),
                repr(part.args),
                repr(vars(part)),
                repr(part.__notes__ if hasattr(part, "__notes__") else ""),
            )
            with contextlib.suppress(Exception):
                self._say(name, "error pickle", pickle.dumps(part).decode("latin-1"))
            self._say(name, "error copy", repr(copy.copy(part)), repr(vars(copy.copy(part))))
            for frame in self._frames(part):
                for local, value in frame.f_locals.items():
                    where = f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_name}"
                    self._say(name, f"local {where} {local}", safe_repr(value))
        self._say(name, "traceback", "".join(traceback.format_exception(error, limit=_ALL)))
        frames = tuple(
            (frame.f_code, frame.f_lineno) for part in chain_of(error) for frame in self._frames(part)
        )
        if frames not in self._rendered:  # rich takes its time; the same way to the same line looks the same
            self._rendered.add(frames)
            self._kept.append(error)

    def render(self) -> int:
        """Take the tracebacks apart as `rich` does, outside of any loop: it reads the source files. Return how many.

        Of what it prints nothing is left out but the layout, which takes nearly all of the time.
        """
        for error in self._kept:
            for part in chain_of(error):
                shown = Traceback.from_exception(
                    type(part),
                    part,
                    self._without_free(part.__traceback__),
                    show_locals=True,
                    locals_max_length=1000,
                    locals_max_string=100_000,
                )
                name = type(part).__name__
                for stack in shown.trace.stacks:
                    self._say("rich", name, stack.exc_value, *map(str, stack.notes))
                    for frame in stack.frames:
                        nodes = (frame.locals or {}).values()
                        self._say("rich", f"{name} {frame.name}", *(node.render(4000) for node in nodes))
        count = len(self._kept)
        self._kept.clear()
        return count

    def leaks(self, canaries: Canaries, *, but: Mapping[str, set[str]] | None = None) -> list[str]:
        """Name every place where a canary was seen, and its kind; `but` declares places that may show a kind."""
        found, seen = set(), set(self.seen)
        # one long text is searched much faster than thousands of short ones
        few = canaries.only("\0".join({text for _, text in seen}))
        for place, text in seen if few else ():
            for kind in few.kinds(text):
                if not any(kind in kinds and part in place for part, kinds in (but or {}).items()):
                    found.add(f"{place} shows {kind}")
        return sorted(found)

    def _frames(self, error: BaseException) -> list[types.FrameType]:
        return [
            frame for frame, _ in traceback.walk_tb(error.__traceback__) if not self._is_free(frame.f_code)
        ]

    def _without_free(self, trace: types.TracebackType | None) -> types.TracebackType | None:
        """Return `trace` without the frames that are not looked at."""
        kept: types.TracebackType | None = None
        links = []
        while trace is not None:
            links.append(trace)
            trace = trace.tb_next
        for link in reversed(links):
            if not self._is_free(link.tb_frame.f_code):
                kept = types.TracebackType(kept, link.tb_frame, link.tb_lasti, link.tb_lineno)
        return kept

    def _is_free(self, code: types.CodeType) -> bool:
        return any(free in code.co_filename for free in self._free)

    def _say(self, name: str, way: str, *texts: str) -> None:
        self.seen += [(f"{name}: {way}", text) for text in texts if len(text) >= _SHORTEST]


def _attributes(thing: object) -> Iterator[tuple[str, str]]:
    """Give every attribute's path and repr, of `thing` and of whatever of ours hangs on it."""
    pending: list[tuple[str, object]] = [("", thing)]
    seen: set[int] = set()
    while pending:
        path, value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        for name, inner in _members(value):
            yield f"{path}.{name}", safe_repr(inner)
            pending.append((f"{path}.{name}", inner))


def _members(value: object) -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [(str(key), inner) for key, inner in list(value.items())]
    if isinstance(value, list | tuple | set | frozenset):
        return [(str(index), inner) for index, inner in enumerate(list(value))]
    module = sys.modules.get(type(value).__module__)
    where = getattr(module, "__file__", None) or ""
    # a Secret's own slot is where the secret is; code that opens it does the same as `reveal`
    if not any(ours in where for ours in OURS) or "/sandbox/" in where or isinstance(value, Secret):
        return []
    names = dict.fromkeys(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names |= dict.fromkeys([slots] if isinstance(slots, str) else slots)
    return [
        (name, getattr(value, name)) for name in names if not name.startswith("__") and hasattr(value, name)
    ]


@contextlib.contextmanager
def wrapped(canaries: Canaries) -> Iterator[None]:
    """Plant everything that any code wraps in a `Secret` meanwhile."""
    make = Secret.__init__

    def noting(self: Secret, value: str) -> None:
        make(self, value)
        canaries.add(WRAPPED, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Secret, "__init__", noting)
        yield
