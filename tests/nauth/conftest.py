"""What the tests of the middlewares share: a manager over a vendor that counts, certificates, and both httpx kits."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from nauth.manager.token_manager import TokenManager
from tests.support.http.httpx_kits import KITS
from tests.support.http.vendor import Issuer, manager_of


@pytest.fixture(params=KITS)
def kit(request: pytest.FixtureRequest) -> str:
    """Each of httpx and httpx2."""
    name: str = request.param
    return name


@pytest.fixture
def issuer() -> Issuer:
    """Hand out t1, t2 and so on."""
    return Issuer()


@pytest.fixture
async def manager(issuer: Issuer) -> AsyncIterator[TokenManager]:
    """Keep the token of `issuer`."""
    manager = manager_of(issuer)
    yield manager
    await manager.aclose()


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """Sign certificates; no machine trusts it."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(ca: trustme.CA) -> ssl.SSLContext:
    """Serve with a certificate of `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    """Ask as one who trusts `ca`."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context
