"""The machine's netrc file never takes the token's place, and a caller's own Authorization still does."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from nauth.manager.token_manager import TokenManager
from tests.support.http.httpx_kits import auth_of
from tests.support.http.httpx_kits import client_of as httpx_client
from tests.support.http.vendor import Issuer, Vendor, client_of, served

_BASIC = aiohttp.encode_basic_auth("other", "caller")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write an entry for every host."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login machine password owner\ndefault login any password body\n")
    path.chmod(0o600)
    (tmp_path / "elsewhere").write_text("machine elsewhere.example login a password b\n")
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.mark.usefixtures("netrc")
async def test_the_token_replaces_it() -> None:
    """On a session of the user's that trusts the environment, the token goes out, and is replayed after a 401."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(trust_env=True) as session,
        client_of(Issuer(), url, session=session) as client,
        client.get("/x") as response,
    ):
        assert response.status == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]


@pytest.mark.usefixtures("netrc")
async def test_without_a_session() -> None:
    """A client's own session never looks there."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client, client.get("/x") as response:
        assert response.status == 200
    assert vendor.tokens == ["Bearer t1"]


@pytest.mark.usefixtures("netrc")
async def test_httpx(kit: str, manager: TokenManager) -> None:
    """Nor does httpx with our `Auth`."""
    vendor = Vendor("t1")
    async with served(vendor) as url, httpx_client(kit, auth_of(manager, url)) as client:
        assert (await client.get(str(url))).status_code == 200
    assert vendor.tokens == ["Bearer t1"]


async def test_the_callers_own_wins(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Basic that the caller chose is not taken for the file's, whether the file knows the host or not."""
    vendor = Vendor("t1")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(trust_env=True) as session,
        client_of(Issuer(), url, session=session) as client,
    ):
        async with session.get(
            url.with_user("other").with_password("caller"), middlewares=(client.auth,)
        ) as response:
            assert response.status == 401
        for name in ("elsewhere", "none"):
            monkeypatch.setenv("NETRC", str(netrc.parent / name))
            async with client.get("/x", headers={"Authorization": _BASIC}) as response:
                assert response.status == 401
        async with client.get("/x", headers={"Authorization": "Bearer own"}) as response:
            assert response.status == 401
    assert vendor.tokens == [_BASIC, _BASIC, _BASIC, "Bearer own"]


@pytest.mark.usefixtures("netrc")
async def test_back_from_a_redirect() -> None:
    """A call that its caller signed stays unsigned when it comes back: neither the token nor the file's entry is added."""
    vendor = Vendor("t1")
    where: list[URL] = []

    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": str(where[0] / "back")})

    async def out(request: web.Request) -> web.StreamResponse:
        if request.path == "/back":
            return await vendor(request)
        return web.Response(status=307, headers={"Location": str(stranger)})

    async with (
        served(moved) as stranger,
        served(out) as url,
        aiohttp.ClientSession(trust_env=True) as session,
        client_of(Issuer(), url, session=session) as client,
    ):
        where.append(url)
        async with session.get(
            url.with_user("other").with_password("caller"), middlewares=(client.auth,)
        ) as response:
            assert response.status == 401
    assert vendor.tokens == [None]
