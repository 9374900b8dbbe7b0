"""What a user's editor infers for Nomad Media, Noyo, NAO Cloud and `nauth.oauth2`. Checked, never run."""

from __future__ import annotations

from typing import assert_type

from aiohttp import ClientResponse

from naoauth import NaoApiKey, NaoClient, NaoError, NaoOAuth, NaoSession, Site, SitePage
from nauth import CredentialsRejectedError, InteractionRequiredError, Secret, Token, TokenManager
from nauth.oauth2 import PKCE, AuthorizationCode, ClientCredentials, TokenEndpoint
from nomadauth import (
    NomadApiKey,
    NomadCheck,
    NomadClient,
    NomadError,
    NomadInteraction,
    NomadInteractionRequiredError,
    NomadPassword,
    NomadSSO,
    NomadStaticToken,
    PingResponse,
)
from noyoauth import Group, GroupsPage, NoyoClient, NoyoCredentials, NoyoError


async def ask(interaction: NomadInteraction) -> str | None:
    """Supply a two-factor code."""
    return None if interaction.wants_password else "123456"


async def nomad() -> None:
    """Sign in to Nomad Media in each of its ways."""
    password = NomadPassword("svc@example.com", "secret")
    assert_type(password.password, Secret)
    for credentials in (password, NomadSSO("azure", "t", "r"), NomadStaticToken("t"), NomadApiKey("k")):
        async with NomadClient(
            credentials, base_url="https://admin-app.example.com", on_interaction=ask
        ) as client:
            assert_type(await client.token(), Token)
            assert_type(await client.check(), NomadCheck)
            assert_type(await client.ping(), PingResponse)
            assert_type(await client.get("/api/content"), ClientResponse)
            await client.logout()


async def nomad_errors(client: NomadClient) -> NomadInteraction | None:
    """Catch what asks for a person."""
    try:
        await client.check()
    except NomadInteractionRequiredError as error:
        return error.interaction
    except CredentialsRejectedError as error:
        assert_type(error.status, int | None)
    except NomadError:
        raise
    return None


async def noyo() -> None:
    """List groups, page by page."""
    credentials = NoyoCredentials(client_id="id", client_secret="secret")
    async with NoyoClient(credentials, environment="sandbox") as client:
        assert_type(await client.check(), GroupsPage)
        async for page in client.groups(page_size=50):
            assert_type(page, GroupsPage)
            for group in page.response:
                assert_type(group, Group)
    try:
        await client.check()
    except NoyoError as error:
        assert_type(error.request_id, str | None)


async def nao() -> None:
    """Sign in to NAO Cloud in each of its ways."""
    for credentials in (NaoApiKey("key"), NaoSession(email="a@example.com", password="p")):
        async with NaoClient(credentials) as client:
            page = await client.check()
            assert_type(page, SitePage)
            for site in page.sites:
                assert_type(site, Site)
    oauth = NaoOAuth("id", "secret", "https://app.example.com/back")
    async with NaoClient(oauth) as client:
        assert_type(client.authorization_url(), str)
        try:
            assert_type(await client.exchange("https://app.example.com/back?code=c&state=s"), Token)
        except (InteractionRequiredError, NaoError) as error:
            assert_type(error.detail, str | None)


async def oauth2() -> None:
    """Use RFC 6749 by itself."""
    endpoint = TokenEndpoint("https://id.example.com/token", client_id="id", client_secret=Secret("s"))
    service = ClientCredentials(endpoint, scope="read")
    assert_type(await service.issue(), Token)
    person = AuthorizationCode(
        endpoint,
        authorization_url="https://id.example.com/authorize",
        redirect_uri="https://app.example.com/back",
    )
    manager = TokenManager(person, key=endpoint.key("example"))
    assert_type(await manager.token(), Token)
    assert_type(PKCE().challenge, str)
