"""What a user's editor makes of `httpx_auth()`, for httpx and httpx2. Checked, never run."""

from __future__ import annotations

from typing import assert_type

import httpx
import httpx2

from nauth.bearer.httpx import HttpxAuth
from nombaauth import NombaClient


async def both(nomba: NombaClient) -> None:
    """Give one object to clients of both packages, and to single calls."""
    auth = nomba.httpx_auth()
    assert_type(auth, HttpxAuth)
    async with httpx.AsyncClient(auth=auth) as one:
        assert_type(await one.get("https://api.nomba.com"), httpx.Response)
        await one.get("https://api.nomba.com", auth=auth)
    async with httpx2.AsyncClient(auth=auth) as two:
        assert_type(await two.get("https://api.nomba.com"), httpx2.Response)
        await two.get("https://api.nomba.com", auth=auth)


async def wrong(nomba: NombaClient) -> None:
    """Make mistakes that a checker must see."""
    httpx.AsyncClient(auth=nomba.auth)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpx2.AsyncClient(auth=nomba.httpx_auth)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
