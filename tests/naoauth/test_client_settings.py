"""Where the client's settings come from, and what they change."""

from __future__ import annotations

import attrs

from naoauth import NaoClient, NaoOAuth
from tests.support.vendors.stages import NaoStage as Stage


async def test_custom_base_urls_reach_sessions_and_oauth(stage: Stage) -> None:
    """With or without ``/api/v2``; the OAuth addresses follow."""
    client = await stage.client(base_url=f"{stage.sandbox.base_url}/api/v2/")
    await client.check()
    assert [exchange.path for exchange in stage.sandbox.log] == ["/api/v2/sessions", "/api/v2/sites"]
    oauth = await stage.client(stage.sandbox.credentials_of("oauth"))
    assert oauth.authorization_url().startswith(f"{stage.sandbox.base_url}/oauth/authorize?")
    async with NaoClient(
        NaoOAuth(client_id="i", client_secret="s", redirect_uri="r"), base_url="https://nao.example/x/api/v2"
    ) as other:
        assert other.authorization_url().startswith("https://nao.example/x/oauth/authorize?")


async def test_an_odd_answer_is_helped_by_settings() -> None:
    """`jwt_key` and `expires_key` name what no rule could find."""
    async with Stage.opened(
        jwt_key="odd_name", expiry_key="odd_name", jwt_exp="absent", jwt_life=3600
    ) as stage:
        credentials = attrs.evolve(
            stage.sandbox.credentials, jwt_key="nao_pass", expires_key="good_until_then"
        )
        token = await (await stage.client(credentials)).token()
        assert token.lifetime is not None
        assert token.lifetime.total_seconds() == 3600
