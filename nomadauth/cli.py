"""Nomad Media on the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from nauth.cli.output import shown
from nauth.cli.sandbox_keys import variables_of_keys
from nauth.cli.vendor import Ask, SignedIn, Vendor
from nauth.clock import SystemClock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.logins import RememberedLogin, remembered_by_default
from nauth.testing.custom_endpoints import TaughtRoute, teach
from nauth.token import Token
from nomadauth.client import NomadClient
from nomadauth.config import POLICY, choose_base_url
from nomadauth.config import VENDOR as VENDOR_NAME
from nomadauth.credentials import VARIABLES, NomadSSO
from nomadauth.demo import NomadStory
from nomadauth.lifetime import expiry_of
from nomadauth.sandbox import NomadSandbox
from nomadauth.sandbox.switches import SwitchOptions
from nomadauth.sandbox.variables import BASE_URL, variables_of
from nomadauth.sso import sso_login_url

__all__ = ["VENDOR"]


@asynccontextmanager
async def _sandbox(
    port: int, routes: Sequence[TaughtRoute], switches: Mapping[str, str], keys: Sequence[str]
) -> AsyncGenerator[Mapping[str, str]]:
    """Run the sandbox; yield the variables that `NomadClient()` reads. The password is invented."""
    async with NomadSandbox(port=port, **cast("SwitchOptions", switches)) as sandbox:
        teach(sandbox, routes)
        yield {
            BASE_URL: sandbox.base_url,
            **variables_of(sandbox.credentials),
            **variables_of_keys(keys, lambda _: variables_of(sandbox.add_credentials())),
        }


def _client(*given: RememberedLogin, **options: Any) -> NomadClient:
    """Make a client that may use a remembered login: the person who asked ``nauth login`` to remember has agreed to that."""
    base_url = EnvironmentReader().optional("NOMAD_MEDIA_BASE_URL")
    if not given and base_url is not None:
        where = str(choose_base_url(base_url))
        found = remembered_by_default(
            EnvironmentReader(), names=VARIABLES, vendor=VENDOR_NAME, base_url=where
        )
        given = () if found is None else (found,)
    return NomadClient(*given, **options)


async def _check(client: NomadClient) -> Mapping[str, object]:
    answer = await client.check()
    return {"asked": answer.endpoint} | ({} if answer.message is None else {"message": answer.message})


async def _log_out() -> None:
    async with NomadClient() as client:
        await client.token()
        await client.logout()


async def _login(ask: Ask, provider: str | None) -> SignedIn:
    """Let a person sign in through `provider`.

    The browser comes back with the tokens, so no request is sent.
    """
    if provider is None:
        raise ConfigurationError(
            "which single sign-on is meant? Give --provider, the word your environment was set up with, such as azure"
        )
    base_url = choose_base_url(EnvironmentReader().optional("NOMAD_MEDIA_BASE_URL"))
    got = NomadSSO.from_callback(await ask(sso_login_url(provider, base_url)), provider=provider)
    ends = expiry_of(got.token, got.expires_at)
    now = datetime.fromtimestamp(SystemClock().wall(), UTC)
    token = Token(
        access_token=got.token,
        refresh_token=got.refresh_token,
        expires_at=ends,
        lifetime=None if ends is None else ends - now,
    )
    return SignedIn(token, VENDOR_NAME, str(base_url), {"provider": got.provider})


def _settings() -> Mapping[str, str]:
    return shown("NOMAD_MEDIA_USERNAME", "NOMAD_MEDIA_APPLICATION_ID")


VENDOR = Vendor(
    title="Nomad Media",
    client=_client,
    policy=POLICY,
    check=_check,
    sandbox=_sandbox,
    story=NomadStory,
    revoke=_log_out,
    login=_login,
    providers=True,
    settings=_settings,
    port=8731,
)
