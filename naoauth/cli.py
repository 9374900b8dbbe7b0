"""NAO Cloud on the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import attrs

from naoauth.client import NaoClient
from naoauth.config import POLICY
from naoauth.credentials import NaoOAuth, application_fields
from naoauth.demo import NaoStory
from naoauth.sandbox import NaoSandbox
from naoauth.sandbox.switches import SwitchOptions
from naoauth.sandbox.variables import BASE_URL, variables_of
from nauth.cli.output import shown
from nauth.cli.sandbox_keys import variables_of_keys
from nauth.cli.vendor import Ask, SignedIn, Vendor
from nauth.stores import MemoryStore
from nauth.testing.custom_endpoints import TaughtRoute, teach

__all__ = ["VENDOR"]


@asynccontextmanager
async def _sandbox(
    port: int, routes: Sequence[TaughtRoute], switches: Mapping[str, str], keys: Sequence[str]
) -> AsyncGenerator[Mapping[str, str]]:
    """Run the sandbox; yield the variables that `NaoClient()` reads. The password is invented, so it may be shown."""
    async with NaoSandbox(port=port, **cast("SwitchOptions", switches)) as sandbox:
        teach(sandbox, routes)
        yield {
            BASE_URL: sandbox.base_url,
            **variables_of(sandbox.credentials),
            **variables_of_keys(keys, lambda _: variables_of(sandbox.add_credentials())),
        }


async def _check(client: NaoClient) -> Mapping[str, object]:
    page = await client.check()
    total = page.pagination.records
    return {"sites": "not stated" if total is None else total, "on_this_page": len(page.sites)}


async def _login(ask: Ask, provider: str | None) -> SignedIn:  # noqa: ARG001 - `Login`'s shape; there is one provider
    """Send a person to NAO Cloud for their consent, and exchange the code they bring back."""
    application = NaoOAuth.from_env()
    redirect_uri = await ask.back_at(application.redirect_uri)
    # with a store of its own: the token goes to the remembered logins, and to no service's store
    async with NaoClient(attrs.evolve(application, redirect_uri=redirect_uri), store=MemoryStore()) as client:
        token = await client.exchange(await ask(client.authorization_url()))
        return SignedIn(token, client.key.vendor, client.key.base_url, application_fields(application))


def _settings() -> Mapping[str, str]:
    return shown("NAO_EMAIL")


VENDOR = Vendor(
    title="NAO Cloud",
    client=NaoClient,
    policy=POLICY,
    check=_check,
    sandbox=_sandbox,
    story=NaoStory,
    login=_login,
    settings=_settings,
    single_session=False,
    port=8734,
)
