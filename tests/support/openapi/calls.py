"""Every call of each package, made once against its sandbox, and some that are refused."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import attrs
from yarl import URL

import naoauth.models as nao_models
import nomadauth.models as nomad_models
import nombaauth.models as nomba_models
import noyoauth.models as noyo_models
from naoauth.api import NaoApi
from naoauth.credentials import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.clock import SystemClock
from nauth.errors import NauthError
from nauth.manager.token_manager import TokenManager
from nauth.oauth2.authorization_code import AuthorizationCode
from nauth.oauth2.endpoint import TokenEndpoint
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nauth.token import Token
from nauth.transport.base import Request
from nomadauth.api import NomadApi
from nomadauth.credentials import NomadPassword
from nomadauth.sandbox import NomadSandbox
from nomadauth.statuses import LoginStatus
from nombaauth.api import NombaApi
from nombaauth.sandbox import NombaSandbox
from noyoauth.api import NoyoApi
from noyoauth.credentials import NoyoCredentials
from noyoauth.sandbox import NoyoSandbox
from tests.support.openapi.description import request_problems
from tests.support.openapi.exchanges import DESCRIBED, Wire

__all__ = ["play_nao", "play_nomad", "play_nomba", "play_noyo"]


async def play_nomba(sandbox: NombaSandbox, wire: Wire) -> None:
    given = sandbox.credentials
    api = NombaApi(base_url=URL(sandbox.base_url), account_id=given.account_id, auth=wire)
    with suppress(NauthError):
        await api.issue_token(
            nomba_models.IssueTokenRequest(client_id=given.client_id, client_secret=Secret("wrong"))
        )
    issued = await api.issue_token(
        nomba_models.IssueTokenRequest(client_id=given.client_id, client_secret=given.client_secret)
    )
    token, refresh = Token(access_token=issued.data.access_token), issued.data.refresh_token
    signed = NombaApi(
        base_url=URL(sandbox.base_url),
        account_id=given.account_id,
        auth=wire,
        resources=wire.bearing(token.authorization),
    )
    with suppress(NauthError):
        await signed.get_balance()
    with suppress(NauthError):
        await signed.get_balance(account_id=sandbox.sub_account_id)
    with suppress(NauthError):
        await api.refresh_token(nomba_models.RefreshTokenRequest(refresh_token=Secret("none")), bearer=token)
    with suppress(NauthError):
        await api.refresh_token(
            nomba_models.RefreshTokenRequest(refresh_token=refresh or Secret("none")), bearer=token
        )
    for _ in range(2):
        with suppress(NauthError):
            await api.revoke_token(
                nomba_models.RevokeTokenRequest(client_id=given.client_id, access_token=token.access_token)
            )
    with suppress(NauthError):
        await signed.get_balance()


async def play_noyo(sandbox: NoyoSandbox, wire: Wire) -> None:
    given = sandbox.credentials
    addresses: dict[str, Any] = {"base_url": URL(sandbox.base_url), "token_url": URL(sandbox.token_url)}
    api = NoyoApi(**addresses, auth=wire, resources=wire.bearing("Bearer none"))
    await wire.ask("GET", f"{sandbox.base_url}/ping")
    wrong = NoyoCredentials(client_id=given.client_id, client_secret="wrong")
    for credentials in (wrong, given):
        with suppress(NauthError):
            issued = await api.issue_token(noyo_models.IssueTokenRequest(), credentials=credentials)
            token = Token(access_token=issued.data.access_token)
            api = NoyoApi(**addresses, auth=wire, resources=wire.bearing(token.authorization))
    with suppress(NauthError):
        await api.list_groups()
    with suppress(NauthError):
        await api.list_groups(noyo_models.ListGroupsRequest(page_size=5, offset=1))
    sandbox.kill_sessions()
    with suppress(NauthError):
        await api.list_groups()


async def play_nomad(sandbox: NomadSandbox, wire: Wire) -> None:
    base = URL(sandbox.base_url) / "api"
    api = NomadApi(base_url=base, auth=wire, sso_base_url=sandbox.sso_base_url)
    await wire.ask("GET", f"{base}/auth/{sandbox.provider}/login")
    await api.get_ping()
    login = nomad_models.AccountLoginResponse()
    accounts = [sandbox.account(status) for status in LoginStatus]
    for given in (NomadPassword("nobody@example.com", "wrong"), *accounts, sandbox.credentials):
        asked = nomad_models.LoginRequest(
            user_name=given.username,
            password=given.password,
            token=Secret("000000"),
            application_id=sandbox.credentials.application_id,
        )
        with suppress(NauthError):
            login = (await api.login(asked)).data
    with suppress(NauthError):
        for refresh in (login.refresh_token or Secret("none"), Secret("none")):
            await api.refresh_token(nomad_models.RefreshTokenRequest(refresh_token=refresh))
    with suppress(NauthError):
        back = await api.sso_callback(
            sandbox.provider, code=Secret("sso-code-1"), state="sso-state-1", session_state="s"
        )
        for refresh in (back.refresh_token or Secret("none"), Secret("none")):
            asked_anew = nomad_models.RefreshTokenRequest(refresh_token=refresh)
            await api.renew_sso(sandbox.provider, asked_anew, bearer=Token(access_token=back.token))
    with suppress(NauthError):
        await api.sso_callback(sandbox.provider, code=Secret("another"))
    token = Token(access_token=login.token or Secret("none"))
    session = login.user_session_id or "none"
    for authorization in (token.authorization, f"ApiKey {sandbox.api_key.key.reveal()}"):
        signed = NomadApi(base_url=base, auth=wire, resources=wire.bearing(authorization))
        for call in (
            partial(signed.ping, nomad_models.PingRequest(user_session_id=session)),
            signed.get_ping_auth,
            signed.get_user,
        ):
            with suppress(NauthError):
                await call()
    for _ in range(2):
        with suppress(NauthError):
            await api.logout(nomad_models.LogoutRequest(user_session_id=session), bearer=token)


async def play_nao(sandbox: NaoSandbox, wire: Wire) -> None:
    base = URL(sandbox.base_url)
    api, given = NaoApi(base_url=base, auth=wire), sandbox.credentials
    key, person = sandbox.credentials_of("session_by_key"), given.password
    assert person is not None
    for password in (Secret("wrong"), person):
        login = nao_models.SessionLogin(email=given.email or "", password=password)
        with suppress(NauthError):
            await api.create_session(nao_models.SessionRequest(session=login))
    with suppress(NauthError):
        opened = await api.create_session(auth_token=getattr(key, "auth_token", None))
        signed = NaoApi(base_url=base, auth=wire, resources=wire.bearing(opened.jwt.reveal()))
        for page in (None, 2):
            await signed.list_sites(page=page)
    with suppress(NauthError):
        await NaoApi(base_url=base, auth=wire, resources=wire.bearing("stale")).list_sites()
    await wire.ask("DELETE", base / "api/v2/sessions", "stale")
    await wire.ask("GET", base / "oauth/me", "Bearer stale")
    application = sandbox.credentials_of("oauth")
    assert isinstance(application, NaoOAuth)
    await _nao_oauth(sandbox, application, base, wire)


async def _nao_oauth(sandbox: NaoSandbox, application: NaoOAuth, base: URL, wire: Wire) -> None:
    endpoint = TokenEndpoint(
        base.with_path(application.token_path),
        client_id=application.client_id,
        client_secret=application.client_secret,
        client_auth=application.client_auth,
        revocation_url=base / "oauth/revoke",
        transport=wire,
    )
    flow = AuthorizationCode(
        endpoint,
        authorization_url=base / "oauth/authorize",
        redirect_uri=application.redirect_uri,
        pkce=application.pkce,
    )
    asked = URL(flow.authorization_url())
    back = await wire.ask("GET", asked)
    assert request_problems(DESCRIBED["nao"], Request(method="GET", url=asked)) == []
    manager = TokenManager(
        flow, key=endpoint.key("nao", "ada"), store=MemoryStore(clock=SystemClock()), clock=SystemClock()
    )
    with suppress(NauthError):
        token = await flow.exchange(back.headers["Location"], manager)
        await wire.ask("GET", base / "oauth/me", token.authorization)
        for refresh in (token.refresh_token or Secret("none"), Secret("none")):
            with suppress(NauthError):
                await endpoint.refresh(attrs.evolve(token, refresh_token=refresh))
        await endpoint.revoke(token)
    await manager.aclose()
