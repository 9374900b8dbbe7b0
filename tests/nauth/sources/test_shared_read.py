"""`SharedRead`: what many event loops leave behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Mapping
from typing import Any, cast

import pytest

from nauth.secret import Secret
from nauth.sources.base import Fields, SourceRefusedError
from nauth.sources.function import Function
from nauth.sources.shared_read import SharedRead
from nauth.testing.clock import FakeClock


class _Hanging:
    """A source that answers only when it is told to."""

    name = "a source"

    def __init__(self) -> None:
        self.open = False

    async def read(self) -> Fields:
        """Return the fields, once open."""
        if not self.open:
            await asyncio.get_running_loop().create_future()
        return Fields({"X": Secret("x")})


def test_a_loop_closed_under_its_question_is_let_go() -> None:
    """The question of a loop that was closed keeps it no longer than until the next question."""
    source = _Hanging()
    shared: SharedRead[Mapping[str, Secret]] = SharedRead(
        source, lambda fields: fields.values, FakeClock(), kinds=(dict,)
    )

    def abandoned() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        asking = loop.create_task(shared.ask())
        loop.call_soon(loop.call_soon, loop.stop)
        loop.run_forever()
        loop.close()
        asking._log_destroy_pending = False  # type: ignore[attr-defined]
        return weakref.ref(loop)

    first = abandoned()
    source.open = True
    assert list(asyncio.run(shared.ask())) == ["X"]
    gc.collect()
    assert first() is None


class _Careless:
    """A source that no type checker has seen."""

    name = "a source"

    def __init__(self, gives: object, *, sync: bool = False) -> None:
        self._gives, self._sync = gives, sync

    def read(self) -> Any:
        """Return what was given, awaitable or not."""
        return self._gives if self._sync else self._later()

    async def _later(self) -> object:
        return self._gives


@pytest.mark.parametrize(
    "source, words",
    [
        (_Careless({"X": "canary"}), "a source must return nauth.sources.Fields, not dict"),
        (_Careless(None), "a source must return nauth.sources.Fields, not NoneType"),
        (_Careless(Fields({"X": "canary"})), "a source must give the field X as a nauth.Secret, not str"),  # type: ignore[dict-item]
        (_Careless(Fields({}), sync=True), "a source must have an async read(), not Fields"),
        (
            Function(cast("Any", lambda: "canary"), name="f"),
            "function:f must be an async function, not one that returns str",
        ),
    ],
)
async def test_what_a_source_must_give(source: Any, words: str) -> None:
    """A source of the user's that gives the wrong thing is told what it must give, and the thing is not shown."""
    shared: SharedRead[Any] = SharedRead(source, lambda fields: fields.values, FakeClock(), kinds=(dict,))
    with pytest.raises(SourceRefusedError) as caught:
        await shared.ask()
    assert str(caught.value) == words
