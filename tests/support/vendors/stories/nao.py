"""One story of a life with NAO Cloud, told chapter by chapter, in which the caller sees nothing but success."""

from __future__ import annotations

from datetime import timedelta

import pytest

from naoauth import NaoClient, NaoSignInNeededError, SitePage
from naoauth.sandbox.server import Kind
from tests.support.vendors.stages import NaoStage as Stage

__all__ = ["story", "succeeds"]


async def succeeds(stage: Stage, client: NaoClient) -> None:
    """Typed check, an empty page, a plain request and a long job: all answered as asked."""
    page = await client.check()
    assert type(page) is SitePage
    assert [(site.id, site.name) for site in page.sites] == [("1", "Main hall"), ("2", "Museum, first floor")]
    assert (await client.api.list_sites(page=2)).sites == ()
    async with client.get(stage.sandbox.switches.oauth_me_path) as response:
        assert (await response.json(content_type=None))["name"] == "Ada"
    async with client.post("/api/v2/sites/1/publish") as response:
        assert (await response.json(content_type=None))["data"]["id"] == "1"


async def _sign_in(stage: Stage, client: NaoClient, kind: Kind) -> None:
    """Be the person, where nothing else can sign in."""
    if kind == "oauth":
        await client.exchange(stage.sandbox.approve(client.authorization_url()))


async def _or_sign_in(stage: Stage, client: NaoClient, kind: Kind) -> None:
    """Have a valid token: by itself, or with the person's help where there is no refresh token."""
    try:
        await client.check()
    except NaoSignInNeededError:
        assert kind == "oauth"
        await _sign_in(stage, client, kind)


async def story(stage: Stage, kind: Kind) -> int:
    """Live through everything and return how many token calls it took."""
    sandbox, clock = stage.sandbox, stage.clock
    credentials = sandbox.credentials_of(kind)
    client = await stage.client(credentials)
    await _sign_in(stage, client, kind)
    await succeeds(stage, client)

    second = await stage.client(credentials)  # one session for both
    await succeeds(stage, second)
    assert (await second.token()).same_access(await client.token())

    if kind != "api_key":
        sandbox.kill_sessions()  # every token dies, refresh tokens live
        await _or_sign_in(stage, client, kind)
        await succeeds(stage, client)
        await succeeds(stage, second)

    old, ended = await client.token(), stage.ended
    if old.lifetime is not None:
        clock.advance(old.lifetime * 0.997)
        assert (await client.token()) is old  # stale: served at once
        await stage.renewals(ended + 1)
        clock.advance(old.lifetime * 0.01 + timedelta(seconds=1))
        await _or_sign_in(stage, client, kind)
        assert not (await client.token()).same_access(old)
        await succeeds(stage, client)

    if kind != "api_key":
        await client.revoke()
        assert client._manager.current is None
        if kind == "oauth":
            with pytest.raises(NaoSignInNeededError):
                await client.token()
        await _sign_in(stage, client, kind)
        await succeeds(stage, client)
    return sandbox.token_calls
