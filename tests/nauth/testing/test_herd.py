"""The herd, and the assertion on what it cost."""

from __future__ import annotations

import asyncio

import pytest

from nauth.testing import herd
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox


async def test_all_at_once() -> None:
    """All callers begin before any goes on, and each brings its result."""
    begun, most = 0, 0

    async def work() -> int:
        nonlocal begun, most
        begun += 1
        mine = begun
        await asyncio.sleep(0)
        most = max(most, begun)
        return mine

    assert sorted(await herd(work, callers=100)) == list(range(1, 101))
    assert most == 100
    begun = 0
    assert len(await herd(work)) == 1_000


async def test_a_failure() -> None:
    """One caller's failure is the herd's."""

    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup):
        await herd(work, callers=3)


async def test_one_token_call() -> None:
    """A thousand callers are one token call, and the assertion tells one from two."""
    async with NombaSandbox() as sandbox:
        async with NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba:
            await herd(nomba.token)
            sandbox.assert_token_calls(1)
            await nomba.renew()
        with pytest.raises(AssertionError, match=r"NombaSandbox: 2 token calls instead of 1.*'refresh': 1"):
            sandbox.assert_token_calls(1)
