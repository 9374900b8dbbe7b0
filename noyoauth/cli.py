"""Noyo on the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from nauth.cli.output import shown
from nauth.cli.sandbox_keys import variables_of_keys
from nauth.cli.vendor import Vendor
from nauth.testing.custom_endpoints import TaughtRoute, teach
from noyoauth.client import NoyoClient
from noyoauth.config import POLICY
from noyoauth.demo import NoyoStory
from noyoauth.sandbox import NoyoSandbox
from noyoauth.sandbox.switches import SwitchOptions
from noyoauth.sandbox.variables import BASE_URL, variables_of

__all__ = ["VENDOR"]


@asynccontextmanager
async def _sandbox(
    port: int, routes: Sequence[TaughtRoute], switches: Mapping[str, str], keys: Sequence[str]
) -> AsyncGenerator[Mapping[str, str]]:
    """Run the sandbox; yield the variables that `NoyoClient()` reads. The secret is invented, so it may be shown."""
    async with NoyoSandbox(port=port, **cast("SwitchOptions", switches)) as sandbox:
        teach(sandbox, routes)
        yield {
            BASE_URL: sandbox.base_url,
            **variables_of(sandbox.credentials),
            **variables_of_keys(keys, lambda _: variables_of(sandbox.add_credentials())),
        }


async def _check(client: NoyoClient) -> Mapping[str, object]:
    page = await client.check()
    total = page.meta.total_records
    return {"groups": "not stated" if total is None else total, "on_this_page": len(page.response)}


def _settings() -> Mapping[str, str]:
    return shown("NOYO_ENVIRONMENT", whole=True) | shown("NOYO_CLIENT_ID")


VENDOR = Vendor(
    title="Noyo",
    client=NoyoClient,
    policy=POLICY,
    check=_check,
    sandbox=_sandbox,
    story=NoyoStory,
    settings=_settings,
    port=8733,
)
