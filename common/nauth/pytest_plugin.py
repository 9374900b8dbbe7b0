"""Fixtures for the tests of a service that uses nauth. pytest finds them by itself.

This module imports nothing else of nauth until a fixture is used: pytest loads it for every suite of an environment in
which nauth is installed, and before pytest-cov begins to count. It is the one module of nauth that names the vendors, as its
fixtures bear their names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import pytest

if TYPE_CHECKING:
    from naoauth.sandbox import NaoSandbox
    from nauth.testing import FakeClock, Sandbox
    from nomadauth.sandbox import NomadSandbox
    from nombaauth.sandbox import NombaSandbox
    from noyoauth.sandbox import NoyoSandbox

__all__ = [
    "fake_clock",
    "nao_sandbox",
    "nauth_env",
    "nauth_herd",
    "nomad_sandbox",
    "nomba_sandbox",
    "noyo_sandbox",
]

SetEnvironment: TypeAlias = "Callable[[Sandbox], Mapping[str, str]]"

_T = TypeVar("_T")


class Herd(Protocol):
    """The type of the fixture `nauth_herd`; see `nauth.testing.herd`."""

    def __call__(
        self, work: Callable[[], Awaitable[_T]], *, callers: int = 1_000
    ) -> Coroutine[Any, Any, list[_T]]:
        """Run `work` in so many tasks at the same moment."""
        ...


_STORE = ("NAUTH_STORE", "NAUTH_STORE_FILE")
_PLACES = ("BASE_URL", "CREDENTIALS", "ENVIRONMENT", "TOKEN_URL")
"""What may say beside a credential where it is and what it is for, behind a vendor's prefix."""
_VENDORS = ("nomad", "nomba", "noyo", "nao")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "nauth(**switches): switches of the test's sandbox, or for several vendors nauth(nomba={...}, noyo={...})",
    )


def _switches(request: pytest.FixtureRequest, vendor: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("nauth"))):
        per_vendor = marker.kwargs.keys() <= set(_VENDORS)
        found |= marker.kwargs.get(vendor, {}) if per_vendor else marker.kwargs
    return found


def _running(request: pytest.FixtureRequest, vendor: str) -> Iterator[Any]:
    clock = request.getfixturevalue("fake_clock") if "fake_clock" in request.fixturenames else None
    sandbox_class = getattr(import_module(f"{vendor}auth.sandbox"), f"{vendor.capitalize()}Sandbox")
    with sandbox_class(clock=clock, **_switches(request, vendor)) as sandbox:
        yield sandbox


@pytest.fixture
def fake_clock() -> FakeClock:
    """One clock for the test's sandboxes and clients, which moves when the test says so."""
    from nauth.testing import FakeClock  # noqa: PLC0415 - see the module's text

    return FakeClock()


@pytest.fixture
def nomba_sandbox(request: pytest.FixtureRequest) -> Iterator[NombaSandbox]:
    """Nomba's sandbox, in a thread of its own; switches by `@pytest.mark.nauth(...)`."""
    yield from _running(request, "nomba")


@pytest.fixture
def nomad_sandbox(request: pytest.FixtureRequest) -> Iterator[NomadSandbox]:
    """Nomad Media's sandbox, in a thread of its own; switches by `@pytest.mark.nauth(...)`."""
    yield from _running(request, "nomad")


@pytest.fixture
def noyo_sandbox(request: pytest.FixtureRequest) -> Iterator[NoyoSandbox]:
    """Noyo's sandbox, in a thread of its own; switches by `@pytest.mark.nauth(...)`."""
    yield from _running(request, "noyo")


@pytest.fixture
def nao_sandbox(request: pytest.FixtureRequest) -> Iterator[NaoSandbox]:
    """NAO Cloud's sandbox, in a thread of its own; switches by `@pytest.mark.nauth(...)`."""
    yield from _running(request, "nao")


@pytest.fixture
def nauth_herd() -> Herd:
    """Call with a coroutine function, and how many `callers` there are: all begin at the same moment."""
    from nauth.testing import herd  # noqa: PLC0415 - see the module's text

    return herd


@pytest.fixture
def nauth_env(monkeypatch: pytest.MonkeyPatch) -> SetEnvironment:
    """Point the clients of a sandbox's vendor at it by the environment, for code that makes them without arguments.

    What nauth reads of the vendor's other variables is taken out: a developer's shell may hold the real ones.
    """

    def point(sandbox: Sandbox) -> Mapping[str, str]:
        values = _variables(sandbox)
        for name in (*_STORE, *_settings(sandbox)):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return values

    return point


def _package(sandbox: object) -> str:
    return type(sandbox).__module__.partition(".")[0]


def _settings(sandbox: Any) -> list[str]:
    """Return the names of all variables that clients of the sandbox's vendor read."""
    fields = import_module(f"{_package(sandbox)}.credentials").FIELDS
    names = (*fields.names, *fields.fixed, *(f"{fields.prefix}{place}" for place in _PLACES))
    return [f"{name}{by}" for name in names for by in ("", "_FILE")]


def _variables(sandbox: Any) -> Mapping[str, str]:
    package = _package(sandbox)
    if package not in {f"{vendor}auth" for vendor in _VENDORS}:
        raise TypeError(f"nauth_env takes a vendor's sandbox, not one of {package}")
    names = import_module(f"{package}.sandbox.variables")
    return {names.BASE_URL: sandbox.base_url, **names.variables_of(sandbox.credentials)}
