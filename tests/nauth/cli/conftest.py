"""Vendors' doubles on a loop of their own, for commands that run one themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from nauth.testing import Sandbox
from tests.fakes.servers import in_thread

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
