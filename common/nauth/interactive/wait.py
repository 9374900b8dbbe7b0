"""Wait for whichever comes first: the browser at the listener, or the address that a person pastes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine

from yarl import URL

from nauth.errors import InteractionRequiredError
from nauth.interactive.listener import LoopbackListener
from nauth.secret import Secret

__all__ = ["wait_for_callback"]


async def wait_for_callback(
    address: str,
    *,
    listener: LoopbackListener | None,
    paste: Callable[[], Coroutine[object, None, Secret]],
    open_browser: Callable[[str], Awaitable[bool]] | None,
) -> Secret:
    """Return the address that the browser came back to, with `listener` open and `address` shown to the person.

    Args:
        address: where the person signs in.
        listener: None: paste is the only way.
        paste: reads what a person pastes; an empty text means that there is no person at this terminal.
        open_browser: starts a browser and tells whether it did; None leaves it to the person.

    Raises:
        SignInTimeoutError: no browser came back in time.
        InteractionRequiredError: there is neither a browser nor a person at the terminal.
    """
    if listener is None:
        if open_browser is not None:
            await open_browser(address)
        return await paste()
    state = URL(address).query.get("state")
    listening = asyncio.create_task(listener.callback(state=None if state is None else Secret(state)))
    pasting = asyncio.create_task(paste())
    try:
        # the listener waits before the browser opens: one that is still signed in is back at once
        await asyncio.sleep(0)
        opened = open_browser is not None and await open_browser(address)
        await asyncio.wait({listening, pasting}, return_when=asyncio.FIRST_COMPLETED)
        if listening.done() or not pasting.done():
            return await listening
        pasted = await pasting
        if pasted:
            return pasted
        if not opened:
            raise InteractionRequiredError(
                "no browser could be opened here, and there is no person at this terminal to paste an address. Sign in "
                "where there is one, or give this program a credential that needs no person, by its variables"
            )
        return await listening
    finally:
        for task in (listening, pasting):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, InteractionRequiredError):
                await task
