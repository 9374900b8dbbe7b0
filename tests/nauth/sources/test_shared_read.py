"""`SharedRead`: what many event loops leave behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Mapping

from nauth.secret import Secret
from nauth.sources.base import Fields
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
