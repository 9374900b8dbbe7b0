"""Vendors' sandboxes on another loop, for commands that run a loop themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from nauth.testing import Sandbox
from nombaauth.sandbox import NombaSandbox
from tests.support.http.servers import in_thread

Serve = Callable[[Sandbox], None]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run doubles until the test is over."""
    with ExitStack() as stack:
        yield lambda sandbox: stack.enter_context(in_thread(sandbox))


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Set environment variables until the test is over."""

    def put(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.fixture
def nomba(serve: Callable[[Sandbox], None], environ: Callable[[Mapping[str, str]], None]) -> NombaSandbox:
    """Nomba's sandbox on another loop, with the environment pointing at it."""
    sandbox = NombaSandbox()
    serve(sandbox)
    environ(
        {
            "NOMBA_BASE_URL": sandbox.base_url,
            "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
            "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
            "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
        }
    )
    return sandbox
