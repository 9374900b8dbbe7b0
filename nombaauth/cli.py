"""Nomba on the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import attrs

from nauth.cli.output import shown
from nauth.cli.sandbox_keys import variables_of_keys
from nauth.cli.vendor import Vendor
from nauth.env_settings import EnvironmentReader
from nauth.testing.custom_endpoints import TaughtRoute, teach
from nombaauth.client import NombaClient
from nombaauth.config import POLICY
from nombaauth.demo import NombaStory
from nombaauth.sandbox import NombaSandbox
from nombaauth.sandbox.switches import SwitchOptions
from nombaauth.sandbox.variables import BASE_URL, variables_of

__all__ = ["VENDOR"]


@asynccontextmanager
async def _sandbox(
    port: int, routes: Sequence[TaughtRoute], switches: Mapping[str, str], keys: Sequence[str]
) -> AsyncGenerator[Mapping[str, str]]:
    """Run the sandbox; yield the variables that `NombaClient()` reads. The secret is invented, so it may be shown."""
    async with NombaSandbox(port=port, **cast("SwitchOptions", switches)) as sandbox:
        teach(sandbox, routes)
        yield {
            BASE_URL: sandbox.base_url,
            **variables_of(sandbox.credentials),
            **variables_of_keys(
                keys, lambda name: variables_of(sandbox.add_credentials(account_id=f"account-{name.lower()}"))
            ),
        }


async def _check(client: NombaClient) -> Mapping[str, object]:
    return attrs.asdict(await client.check(), recurse=False)


async def _revoke() -> None:
    async with NombaClient() as client:
        await client.token()
        await client.revoke()


def _settings() -> Mapping[str, str]:
    return {"environment": EnvironmentReader().optional("NOMBA_ENVIRONMENT") or "by address"} | shown(
        "NOMBA_ACCOUNT_ID", "NOMBA_CLIENT_ID"
    )


VENDOR = Vendor(
    title="Nomba",
    client=NombaClient,
    policy=POLICY,
    check=_check,
    sandbox=_sandbox,
    story=NombaStory,
    revoke=_revoke,
    settings=_settings,
    port=8732,
)
