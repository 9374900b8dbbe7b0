"""Remembered logins: one key in the keyring, the tokens sealed beside it, found again by clients of the same user."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from naoauth import ConfigurationError, NaoApiKey, NaoClient, NaoOAuth, NaoSignInNeededError, Secret, Token
from naoauth.credentials import application_fields, application_from
from naoauth.sandbox import NaoSandbox
from nauth.errors import InteractionRequiredError, StoreError
from nauth.logins import RememberedLogin, known_logins
from nauth.logins import login_key as key_module
from nauth.logins.login_file import LoginFile
from nauth.logins.login_store import LoginStore
from nauth.stores import EncryptedStore, MemoryStore
from nomadauth import NomadClient, NomadInteractionRequiredError
from nomadauth.sandbox import NomadSandbox
from tests.nauth.logins import first_login
from tests.support.secret_service import MISSING, secret_service

_URL = "https://x.example"
_TOKEN = Token(access_token=Secret("CANARY-access"), refresh_token=Secret("CANARY-refresh"))


class _Keyring:
    """Keeps items in memory, and may fail."""

    def __init__(self, failure: Exception | None = None, *, keeps: bool = True) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.failure = failure
        self._keeps = keeps

    def get_password(self, service: str, username: str, /) -> str | None:
        if self.failure is not None:
            raise self.failure
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str, /) -> None:
        if self._keeps:
            self.items[service, username] = password


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Variables that lead to a folder of the test."""
    return {"XDG_STATE_HOME": str(tmp_path)}


def _login(
    environ: Mapping[str, str], keyring: _Keyring | None = None, name: str = "default"
) -> RememberedLogin:
    return RememberedLogin(name, environ=environ, backend=keyring or _Keyring())


async def test_saved_found_forgotten(environ: dict[str, str], tmp_path: Path) -> None:
    """What is saved is found by an equal login, listed without a key, sealed on the disk, and gone when forgotten."""
    keyring = _Keyring()
    login = _login(environ, keyring)
    assert await known_logins(environ) == []
    assert not login.exists("nao", _URL)
    await login.save("nao", _URL, _TOKEN, {"client_secret": Secret("CANARY-secret")})
    await login.save("nao", _URL, _TOKEN, {"client_secret": Secret("CANARY-secret")})  # again takes its place
    assert list(keyring.items) == [("nauth", "login-key")]
    again = _login(environ, keyring)
    assert again.exists("nao", _URL)
    assert await again.load("nao", _URL) == _TOKEN
    assert await again.load("nao", "https://other.example") is None
    (known,) = await known_logins(environ)
    assert (known.vendor, known.base_url, known.name, known.renewable) == ("nao", _URL, "default", True)

    def look() -> None:
        folder = tmp_path / "nauth"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in folder.rglob("*"):
            if file.is_file():
                assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
                assert b"CANARY" not in file.read_bytes()

    await asyncio.to_thread(look)
    assert "CANARY" not in repr((login, known))
    assert await again.forget("nao", _URL)
    assert not await again.forget("nao", _URL)
    assert not login.exists("nao", _URL)
    assert await known_logins(environ) == []


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 65, 7])
def test_a_name_is_a_word(name: Any) -> None:
    """What cannot be a name is refused."""
    with pytest.raises(ConfigurationError, match="name of a login"):
        RememberedLogin(name)


async def test_a_key_by_variable(environ: dict[str, str]) -> None:
    """Without a keyring a key of one's own is taken; another key opens nothing, and overwrites nothing."""
    own = {**environ, "NAUTH_STORE_KEY": EncryptedStore.generate_key().reveal(), "NAUTH_KEYRING": "off"}
    login = RememberedLogin(environ=own)
    await login.save("nao", _URL, _TOKEN, {})
    assert await RememberedLogin(environ=own).load("nao", _URL) == _TOKEN
    other = RememberedLogin(environ={**own, "NAUTH_STORE_KEY": EncryptedStore.generate_key().reveal()})
    with pytest.raises(StoreError, match="does not open"):
        await other.load("nao", _URL)
    with pytest.raises(StoreError, match="does not open"):
        await other.save("nao", _URL, _TOKEN, {})
    assert await login.load("nao", _URL) == _TOKEN


async def test_no_keyring(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No fallback in silence: switched off, none that encrypts, locked, hanging, one that forgets; each named, each with ways out."""
    monkeypatch.setattr(key_module, "_LIMIT_S", 0.05)
    hangs = _Keyring()
    free = threading.Event()
    hangs.get_password = lambda *_: str(free.wait(10))  # type: ignore[method-assign]
    monkeypatch.setattr(key_module, "_PERSON_S", 0.05)
    for login, words in (
        (RememberedLogin(environ={**environ, "NAUTH_KEYRING": "off"}), "forbids the keyring"),
        (_login(environ, _Keyring(RuntimeError("CANARY"))), r"failed \(RuntimeError\)"),
        (_login(environ, hangs), "did not answer within"),
        (_login(environ, _Keyring(keeps=False)), "does not keep"),
    ):
        with pytest.raises(ConfigurationError, match=words) as caught:
            await login.save("nao", _URL, _TOKEN, {})
        assert "--store PATH" in str(caught.value)
        assert "CANARY" not in str(caught.value)
    free.set()
    assert await known_logins(environ) == []


async def test_the_keyring_of_this_machine(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that encrypts is taken; where there is none, the ways out are named."""
    keyring = _Keyring()
    monkeypatch.setattr(key_module, "encrypting_backend", lambda _: keyring)
    await RememberedLogin(environ=environ).save("nao", _URL, _TOKEN, {})
    assert keyring.items

    def none(name: str) -> None:
        raise ConfigurationError("there is no keyring that encrypts")

    monkeypatch.setattr(key_module, "encrypting_backend", none)
    with pytest.raises(ConfigurationError, match=r"no keyring that encrypts\. Remember logins without"):
        await RememberedLogin(environ=environ).load("nao", _URL)


async def test_a_lost_key(environ: dict[str, str]) -> None:
    """A reader makes no key: it says that the old one is gone."""
    await _login(environ).save("nao", _URL, _TOKEN, {})
    with pytest.raises(ConfigurationError, match="no longer in the keyring"):
        await _login(environ).load("nao", _URL)


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Said with the variable to set."""
    await asyncio.to_thread((tmp_path / "file").touch)
    login = _login({"NAUTH_LOGIN_STORE": str(tmp_path / "file" / "x" / "logins.db")})
    with pytest.raises(ConfigurationError, match="cannot be made"):
        await login.prepare()


def test_where_they_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's state folder unless a variable names another place."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert LoginFile.of({}).path == tmp_path / ".local" / "state" / "nauth" / "logins.db"
    assert LoginFile.of({"XDG_STATE_HOME": "/s"}).path == Path("/s/nauth/logins.db")
    assert LoginFile.of({"NAUTH_LOGIN_STORE": "/x/y.db"}).path == Path("/x/y.db")


async def test_six_first_logins_in_one_loop(environ: dict[str, str]) -> None:
    """One key is made, and all six are readable."""
    keyring = _Keyring()
    made = [_login(environ, keyring, f"n{number}") for number in range(6)]
    await asyncio.gather(*(login.save("nao", _URL, _TOKEN, {}) for login in made))
    assert [await login.load("nao", _URL) for login in made] == [_TOKEN] * 6


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True], ids=["folder", "Secret Service"])
def test_six_first_logins_at_once(real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six programs that make the first login at the same moment: 0 unreadable."""
    with contextlib.ExitStack() as stack:
        if real:
            if MISSING is not None:
                pytest.skip(MISSING)
            for name, value in stack.enter_context(secret_service(tmp_path)).items():
                monkeypatch.setenv(name, value)
        _six_first_logins(tmp_path, real=real)


def _six_first_logins(tmp_path: Path, *, real: bool) -> None:
    command = [sys.executable, str(Path(first_login.__file__)), str(tmp_path)]
    names = [f"n{number}" for number in range(6)]
    programs = [
        subprocess.Popen(  # noqa: S603 - our own
            [*command, name, *(["real"] if real else [])],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )
        for name in names
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write(b"\n")
        program.stdin.flush()
    for program in programs:
        program.communicate()
        assert program.returncode == 0

    async def read() -> list[str]:
        environ = {"NAUTH_LOGIN_STORE": str(tmp_path / "state" / "logins.db")}
        keyring = None if real else first_login.FolderKeyring(tmp_path)
        found = []
        for name in names:
            token = await RememberedLogin(name, environ=environ, backend=keyring).load("nao", _URL)
            assert token is not None
            found.append(token.access_token.reveal())
        return found

    assert asyncio.run(read()) == [f"token-{name}" for name in names]


async def test_a_busy_login_is_waited_for(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that renews the login that is being replaced is waited for."""
    keyring = _Keyring()
    login = _login(environ, keyring)
    await login.save("nao", _URL, _TOKEN, {})
    store = login.open_store()
    lease = await store.lease(login.key("nao", _URL), key_module._LEASE)
    assert lease is not None
    waited = []
    original = LoginStore.changed

    async def changed(self: LoginStore, key: Any, *, timeout: Any) -> None:  # noqa: ASYNC109 - the contract's shape
        waited.append(key)
        await store.release(await store.extend(lease, key_module._LEASE))
        await original(self, key, timeout=timeout)

    monkeypatch.setattr(LoginStore, "changed", changed)
    await login.save("nao", _URL, _TOKEN, {})
    assert waited == [login.key("nao", _URL)]
    store.subscribe(login.key("nao", _URL), print)()
    assert "logins.db" in repr(store)
    await store.aclose()


async def test_the_key_is_made_by_one(environ: dict[str, str]) -> None:
    """While another program makes the key, this one waits and takes that one's."""
    keyring = _Keyring()
    login = _login(environ, keyring)
    other = login.open_store(make=True)
    await asyncio.to_thread(other.file.make_folder)
    lease = await other._inner.lease(key_module._MAKING, key_module._LEASE)
    assert lease is not None
    saving = asyncio.create_task(login.save("nao", _URL, _TOKEN, {}))
    await asyncio.sleep(0.1)
    made = EncryptedStore.generate_key().reveal()
    keyring.items["nauth", "login-key"] = made
    await other._inner.release(lease)
    await saving
    assert keyring.items == {("nauth", "login-key"): made}
    await other.aclose()


# --- clients ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A user's environment without credentials, whose logins lie in a folder of the test."""
    monkeypatch.setenv("NAUTH_LOGIN", "on")
    monkeypatch.setenv("NAUTH_LOGIN_STORE", str(tmp_path / "state" / "logins.db"))
    monkeypatch.setenv("NAUTH_STORE_KEY", EncryptedStore.generate_key().reveal())
    return monkeypatch


async def _signed_in(sandbox: NaoSandbox) -> NaoOAuth:
    application = sandbox.credentials_of("oauth")
    assert isinstance(application, NaoOAuth)
    async with NaoClient(
        application.for_account("x"), base_url=sandbox.base_url, store=MemoryStore()
    ) as client:
        token = await client.exchange(sandbox.approve(client.authorization_url()))
        await RememberedLogin().save("nao", client.key.base_url, token, application_fields(application))
    return application


async def test_nao_without_credentials(user: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A client without credentials is signed in, says so, renews, and keeps what was renewed for the next program."""
    async with NaoSandbox(oauth_refresh="rotated_old_dies") as sandbox:
        await _signed_in(sandbox)
        user.setenv("NAO_BASE_URL", sandbox.base_url)
        with caplog.at_level(logging.INFO, "nauth"):
            async with NaoClient() as client:
                assert (await client.check()).sites
                assert client.login == RememberedLogin()
                renewed = await client.renew()
        assert "using the remembered login 'default'" in caplog.text
        async with NaoClient(RememberedLogin()) as again:
            assert (await again.token()).same_access(renewed)
            await again.check()
        assert sandbox._oauth.grants.reuses == 0


async def test_who_wins(user: pytest.MonkeyPatch) -> None:
    """An argument, a full environment and a given store win; a half-filled environment is an error; a switch forbids it."""
    async with NaoSandbox(oauth_refresh="kept") as sandbox:
        application = await _signed_in(sandbox)
        user.setenv("NAO_BASE_URL", sandbox.base_url)
        async with NaoClient(NaoApiKey(Secret("key"))) as named:
            assert named.login is None
        user.setenv("NAO_AUTH_TOKEN", "key")
        async with NaoClient() as by_environment:
            assert by_environment.login is None
        user.delenv("NAO_AUTH_TOKEN")
        user.setenv("NAO_EMAIL", "ada@example.com")
        with pytest.raises(ConfigurationError, match="NAO_PASSWORD is not set"):
            NaoClient()
        user.delenv("NAO_EMAIL")
        with pytest.raises(ConfigurationError, match="nauth login nao"):
            NaoClient(store=MemoryStore())
        with pytest.raises(ConfigurationError, match="store of its own"):
            NaoClient(RememberedLogin(), store=MemoryStore())
        # an application alone signs no person in: the login that was made through it goes with it
        user.setenv("NAO_CLIENT_ID", application.client_id)
        user.setenv("NAO_CLIENT_SECRET", application.client_secret.reveal())
        user.setenv("NAO_REDIRECT_URI", "http://127.0.0.1/other")
        async with NaoClient() as with_application:
            assert with_application.login == RememberedLogin()
            await with_application.check()
        user.setenv("NAUTH_STORE", "memory:")
        async with NaoClient() as service:
            assert service.login is None
        for name in ("NAUTH_STORE", "NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI"):
            user.delenv(name)
        user.setenv("NAUTH_LOGIN", "off")
        with pytest.raises(ConfigurationError, match="set NAO_AUTH_TOKEN"):
            NaoClient()


async def test_a_login_that_is_over(user: pytest.MonkeyPatch) -> None:
    """Refused by the vendor, or forgotten by another program: a person is asked for by the command; a lost key is named."""
    async with NaoSandbox(oauth_refresh="rotated_old_dies") as sandbox:
        await _signed_in(sandbox)
        user.setenv("NAO_BASE_URL", sandbox.base_url)
        async with NaoClient() as client:
            token = await client.token()
            sandbox._oauth.grants.revoke((token.refresh_token or Secret("")).reveal())
            with pytest.raises(NaoSignInNeededError, match="sign in again with nauth login nao"):
                await client.renew()
        async with NaoClient() as late:
            await RememberedLogin().forget("nao", late.key.base_url)
            with pytest.raises(NaoSignInNeededError, match="nauth login nao"):
                await late.token()
            with pytest.raises(InteractionRequiredError, match="no login 'default' is remembered"):
                await late.revoke_given(token)
        with pytest.raises(ConfigurationError, match="nauth login nao"):
            NaoClient()
        user.delenv("NAUTH_STORE_KEY")
        user.setenv("NAUTH_KEYRING", "off")
        async with NaoClient(RememberedLogin("other")) as lost:
            with pytest.raises(ConfigurationError, match="forbids the keyring"):
                await lost.token()


async def test_nomad(user: pytest.MonkeyPatch) -> None:
    """A single sign-on is found and renewed, by those who say that its token may outlive the process."""
    async with NomadSandbox() as sandbox:
        pair = sandbox._sso_query()
        members = dict(parse_qsl(pair))
        token = Token(
            access_token=Secret(members["azure_token"]), refresh_token=Secret(members["azure_refresh_token"])
        )
        base_url = f"{sandbox.base_url}/api"
        await RememberedLogin().save("nomad-media", base_url, token, {"provider": "azure"})
        user.setenv("NOMAD_MEDIA_BASE_URL", sandbox.base_url)
        with pytest.raises(ConfigurationError, match="allow_persistence=True"):
            NomadClient()
        with pytest.raises(ConfigurationError, match="store of its own"):
            NomadClient(RememberedLogin(), store=MemoryStore())
        async with NomadClient(allow_persistence=True) as client:
            await client.check()
            await client.renew()
            await client.renew()
            await client.check()
        async with NomadClient(RememberedLogin("other")) as other:
            with pytest.raises(NomadInteractionRequiredError, match="nauth login nomad"):
                await other.token()


def test_an_application_goes_through_fields() -> None:
    """All that renews a token comes back as it was."""
    application = NaoOAuth(
        "id", Secret("s"), "http://127.0.0.1/cb", client_auth="basic", token_path="/t", revoke_path="/r"
    )
    assert application_from(application_fields(application)) == application
    assert json.dumps(sorted(application_fields(application))).count("client") == 3
