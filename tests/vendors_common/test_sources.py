"""All four vendors' clients on a source: the same by argument and by environment, and through a rotation."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from naoauth import NaoApiKey, NaoClient, NaoSession
from naoauth.sandbox import NaoSandbox
from nauth.errors import ConfigurationError, CredentialsRejectedError
from nauth.secret import Secret
from nauth.sources import Fields, Function, SecretFile, SecretFiles, SourceRefusedError
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nomadauth import NomadApiKey, NomadClient, NomadPassword, NomadStaticToken
from nomadauth.models import PingResponse
from nomadauth.sandbox import NomadSandbox
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox
from noyoauth import NoyoCredentials
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.table import NAO, NOMAD, NOMBA, NOYO, Vendor


@attrs.frozen(kw_only=True)
class _Case:
    """One kind of credential of one vendor.

    Attributes:
        vendor: whose.
        prefix: of its variables.
        fields: of the credential that the sandbox takes now, by the short names.
        rotate: changes what the sandbox takes, and ends all sessions.
        switches: of the sandbox.
        static: the credential is sent as it is.
    """

    name: str
    vendor: Vendor
    prefix: str
    fields: Callable[[Any], Mapping[str, str]]
    rotate: Callable[[Any], None]
    switches: Mapping[str, Any] = attrs.field(factory=dict)
    static: bool = False


def _nomba(sandbox: NombaSandbox) -> Mapping[str, str]:
    given = sandbox.credentials
    return {
        "client_id": given.client_id,
        "client_secret": given.client_secret.reveal(),
        "account_id": given.account_id,
    }


def _rotate_nomba(sandbox: NombaSandbox) -> None:
    sandbox.rotate_secret()
    sandbox.kill_sessions(kill_refresh=True)


def _noyo(sandbox: NoyoSandbox) -> Mapping[str, str]:
    return {
        "client_id": sandbox.credentials.client_id,
        "client_secret": sandbox.credentials.client_secret.reveal(),
    }


def _password(sandbox: NomadSandbox) -> Mapping[str, str]:
    given = sandbox.credentials
    return {
        "username": given.username,
        "password": given.password.reveal(),
        "application_id": given.application_id or "",
    }


def _rotate_password(sandbox: NomadSandbox) -> None:
    old = sandbox.credentials
    sandbox.credentials = attrs.evolve(old, password=Secret("a new one"))
    sandbox._accounts[old.username].credentials = sandbox.credentials
    sandbox.kill_sessions(kill_refresh=True)


def _rotate_static(sandbox: NomadSandbox) -> None:
    sandbox.static_token = NomadStaticToken("another-static-token")


def _rotate_person(sandbox: NaoSandbox) -> None:
    sandbox.kill_sessions()


def _rotate_key(sandbox: NaoSandbox) -> None:
    sandbox._key = "another-auth-token-0123456789"


def _nao(kind: str) -> Callable[[Any], Mapping[str, str]]:
    def fields(sandbox: NaoSandbox) -> Mapping[str, str]:
        given: Any = sandbox.credentials_of(kind)  # type: ignore[call-overload]  # one of its kinds
        if kind == "session":
            return {"email": given.email, "password": given.password.reveal()}
        return {"auth_token": given.auth_token.reveal()}

    return fields


_NOMBA = _Case(name="nomba", vendor=NOMBA, prefix="NOMBA_", fields=_nomba, rotate=_rotate_nomba)
_NOYO = _Case(
    name="noyo",
    vendor=NOYO,
    prefix="NOYO_",
    fields=_noyo,
    rotate=lambda sandbox: sandbox.rotate_key(),
    switches={"key_rotation": "old_key_and_tokens_die"},
)
_NOMAD = _Case(
    name="nomad-password", vendor=NOMAD, prefix="NOMAD_MEDIA_", fields=_password, rotate=_rotate_password
)
_NOMAD_STATIC = _Case(
    name="nomad-static",
    vendor=NOMAD,
    prefix="NOMAD_MEDIA_",
    fields=lambda sandbox: {"static_token": sandbox.static_token.token.reveal()},
    rotate=_rotate_static,
    static=True,
)
_NAO = _Case(name="nao-session", vendor=NAO, prefix="NAO_", fields=_nao("session"), rotate=_rotate_person)
_NAO_KEY = _Case(
    name="nao-key", vendor=NAO, prefix="NAO_", fields=_nao("api_key"), rotate=_rotate_key, static=True
)
_CASES = (_NOMBA, _NOYO, _NOMAD, _NOMAD_STATIC, _NAO, _NAO_KEY)
every_case = pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the person who runs the tests has set."""
    for name in list(os.environ):
        if name.startswith(("NOMAD_", "NOMBA_", "NOYO_", "NAO_")):
            monkeypatch.delenv(name)


class _Held:
    """A source that holds what a sandbox takes, as of the last `sync`."""

    def __init__(self, case: _Case, sandbox: Any) -> None:
        self.name = f"manager:{case.name}"
        self._case, self._sandbox = case, sandbox
        self.asked = 0
        self.sync()

    def sync(self) -> None:
        self.values = {name: Secret(value) for name, value in self._case.fields(self._sandbox).items()}

    async def read(self) -> Fields:
        self.asked += 1
        await asyncio.sleep(0)
        return Fields(self.values)


@asynccontextmanager
async def _sandbox(case: _Case) -> AsyncIterator[tuple[Any, FakeClock, Callable[..., Any]]]:
    clock = FakeClock(jump=True)
    async with case.vendor.sandbox(clock=clock, **case.switches) as sandbox:
        store = MemoryStore(clock=clock)

        def client(credentials: Any = None) -> Any:
            return case.vendor.client(credentials, base_url=sandbox.base_url, clock=clock, store=store)

        yield sandbox, clock, client


async def _status(case: _Case, client: Any) -> int:
    async with client.get(case.vendor.path) as response:
        await response.read()
        status: int = response.status
        return status


# --- signing in -------------------------------------------------------------------------------------------------------


@every_case
async def test_a_source_in_the_place_of_a_credential(case: _Case) -> None:
    """Asked once for any number of callers; the vendor's own check works."""
    async with _sandbox(case) as (sandbox, _, client):
        source = _Held(case, sandbox)
        async with client(source) as made:
            statuses = await asyncio.gather(*(_status(case, made) for _ in range(50)))
            await made.check()
        assert set(statuses) == {200}
        assert source.asked == 1


@every_case
async def test_named_by_the_environment(case: _Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``X_CREDENTIALS=file:...``, without a line of code."""
    path = tmp_path / "credential.json"
    async with _sandbox(case) as (sandbox, _, client):
        await asyncio.to_thread(path.write_text, json.dumps(dict(case.fields(sandbox))))
        monkeypatch.setenv(f"{case.prefix}CREDENTIALS", f"file:{path}")
        async with client() as made:
            assert await _status(case, made) == 200


@every_case
async def test_each_variable_by_file(case: _Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``X_NAME_FILE`` beside each ``X_NAME``, and followed through a rotation."""
    folder = tmp_path
    async with _sandbox(case) as (sandbox, clock, client):

        def write() -> None:
            for name, value in case.fields(sandbox).items():
                (folder / name).write_text(f"{value}\n")
                monkeypatch.setenv(f"{case.prefix}{name.upper()}_FILE", str(folder / name))

        await asyncio.to_thread(write)
        async with client() as made:
            assert await _status(case, made) == 200
            case.rotate(sandbox)
            await asyncio.to_thread(write)
            if case.static:
                clock.advance(2)
                assert await _status(case, made) == 401
                await _settled(made)
            assert await _status(case, made) == 200


async def _settled(client: Any) -> None:
    """Wait for the question that a 401 to a static credential has begun."""
    while client._manager._authenticator._under_way():  # noqa: ASYNC110 - until a thread has read a file
        await asyncio.sleep(0)


# --- rotation ---------------------------------------------------------------------------------------------------------


@every_case
@pytest.mark.slow
async def test_a_rotation_under_load(case: _Case) -> None:
    """The source first, then the vendor: no request fails; one question and one sign-in (static: the next call)."""
    async with _sandbox(case) as (sandbox, clock, client):
        source = _Held(case, sandbox)
        async with client(source) as made:
            assert await _status(case, made) == 200
            case.rotate(sandbox)
            source.sync()
            if case.static:
                clock.advance(2)
                assert await _status(case, made) == 401
                await _settled(made)
            statuses = await asyncio.gather(*(_status(case, made) for _ in range(200)))
            assert set(statuses) == {200}
            assert source.asked <= 3


@pytest.mark.parametrize("case", [_NOMBA, _NOYO, _NOMAD], ids=lambda case: case.name)
async def test_the_vendor_first(case: _Case) -> None:
    """Failures last until the source has changed and the next question is due, and never a cool-down longer."""
    async with _sandbox(case) as (sandbox, clock, client):
        source = _Held(case, sandbox)
        async with client(source) as made:
            assert await _status(case, made) == 200
            case.rotate(sandbox)
            for _ in range(3):
                with pytest.raises(CredentialsRejectedError, match="same credential"):
                    await _status(case, made)
            source.sync()
            clock.advance(1.5)
            with pytest.raises(CredentialsRejectedError):
                await _status(case, made)
            await _settled(made)
            assert await _status(case, made) == 200


async def test_overlap_loses_no_request() -> None:
    """While both secrets are valid a process with the old one goes on."""
    async with _sandbox(_NOMBA) as (sandbox, _, client):
        source = _Held(_NOMBA, sandbox)
        async with client(source) as made:
            await made.token()
            sandbox.rotate_secret(overlap=True)
            sandbox.kill_sessions(kill_refresh=True)
            assert await _status(_NOMBA, made) == 200
            sandbox.rotate_secret()
            sandbox.kill_sessions(kill_refresh=True)
            source.sync()
            assert await _status(_NOMBA, made) == 200
            assert source.asked == 2


# --- one fleet, one session -------------------------------------------------------------------------------------------


async def test_a_fleet_keeps_one_session_through_a_rotation() -> None:
    """The store's key names the source and not the secret: a process that has read the new one finds the token."""
    async with _sandbox(_NOMBA) as (sandbox, _, client):
        old, new = _Held(_NOMBA, sandbox), _Held(_NOMBA, sandbox)
        new.values["client_secret"] = Secret("read after the rotation")
        async with client(old) as first, client(new) as second:
            assert await _status(_NOMBA, first) == 200
            # the account's id comes with the token: this process never asked its source
            assert await _status(_NOMBA, second) == 200
            assert (await second.check()).amount
            async with await asyncio.to_thread(lambda: httpx.AsyncClient(auth=second.httpx_auth())) as http:
                answer = await http.get(f"{sandbox.base_url}{NOMBA.path}")
                assert answer.status_code == 200
                assert (sandbox.requests["issue"], new.asked) == (1, 0)
                own = await http.get(f"{sandbox.base_url}{NOMBA.path}", headers={"accountId": "another"})
                assert own.status_code != 200


@every_case
def test_the_key_of_a_file_names_path_and_account(case: _Case, tmp_path: Path) -> None:
    """Equal after a rotation; another account under the same path has a token of its own."""
    path = tmp_path / "c.json"

    def identity(fields: Mapping[str, str]) -> str:
        path.write_text(json.dumps(dict(fields)))
        client = case.vendor.client(SecretFile(path), base_url="https://v.example.com")
        key: str = client._manager.key.identity
        return key

    sandbox = case.vendor.sandbox()
    before = dict(case.fields(sandbox))
    secret = next((name for name in ("client_secret", "password") if name in before), None)
    first = identity(before)
    if secret is not None:
        assert identity(before | {secret: "another"}) == first
    public = next(name for name in ("client_id", "username", "email", *before) if name in before)
    assert identity(before | {public: "another"}) != first


async def test_a_function_is_a_source() -> None:
    """Any async function that returns the credential."""
    async with _sandbox(_NOMBA) as (sandbox, _, client):

        async def fetch() -> NombaCredentials:
            credentials: NombaCredentials = sandbox.credentials
            return credentials

        async with client(fetch) as made, client(fetch) as same, client(Function(fetch, name="a")) as other:
            assert await _status(_NOMBA, made) == 200
            assert made._manager.key == same._manager.key != other._manager.key


async def test_noyo_takes_both_kinds_of_functions() -> None:
    """A plain one is asked at each fetch; an async one is a source, be it a function or an object."""
    async with _sandbox(_NOYO) as (sandbox, _, client):

        def now() -> NoyoCredentials:
            credentials: NoyoCredentials = sandbox.credentials
            return credentials

        async def later() -> NoyoCredentials:
            return now()

        class Caller:
            async def __call__(self) -> NoyoCredentials:
                return now()

        for given in (now, later, Caller()):
            async with client(given) as made:
                assert await _status(_NOYO, made) == 200
        with pytest.raises(ConfigurationError, match="NoyoCredentials"):
            client("text")


# --- what goes wrong --------------------------------------------------------------------------------------------------


@every_case
def test_everything_missing_in_one_error(case: _Case, tmp_path: Path) -> None:
    """By name, with the names that are there, and without a value."""
    path = tmp_path / "c.json"
    path.write_text('{"other": "CANARY"}')
    with pytest.raises(SourceRefusedError) as refused:
        case.vendor.client(SecretFile(path), base_url="https://v.example.com")
    assert "CANARY" not in str(refused.value)
    assert case.prefix in str(refused.value)


def test_settings_and_files_are_complained_about_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there, and an environment that is not named: one error."""
    monkeypatch.setenv("NOMBA_CLIENT_SECRET_FILE", "/nowhere/CANARY")
    monkeypatch.setenv("NOMBA_CLIENT_ID", "i")
    with pytest.raises(ConfigurationError) as refused:
        NombaClient()
    for words in ("NOMBA_CLIENT_SECRET_FILE names a file", "NOMBA_ACCOUNT_ID is not set", "which Nomba"):
        assert words in str(refused.value)
    assert "CANARY" not in str(refused.value)


@every_case
def test_two_ways_to_sign_in(case: _Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source beside a variable of the credential: both are named."""
    name = case.prefix + next(iter(case.fields(case.vendor.sandbox()))).upper()
    monkeypatch.setenv(f"{case.prefix}CREDENTIALS", "aws:prod/x")
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=f"{case.prefix}CREDENTIALS names a source, and .*{name}"):
        case.vendor.client(base_url="https://v.example.com")


async def test_an_application_is_no_source(tmp_path: Path) -> None:
    """People sign in through it, so it is known before the first of them comes."""
    path = tmp_path / "c.json"
    fields = {"client_id": "i", "client_secret": "CANARY", "redirect_uri": "https://a.example/cb"}
    await asyncio.to_thread(path.write_text, json.dumps(fields))
    with pytest.raises(SourceRefusedError, match=r"give NaoOAuth\(\.\.\.\) in code"):
        NaoClient(SecretFile(path))


async def test_a_source_of_another_vendor() -> None:
    """Names what it has instead."""
    async with _sandbox(_NOMBA) as (_, _, client):

        class Other:
            name = "manager:noyo"

            async def read(self) -> Fields:
                return Fields({"NOYO_CLIENT_ID": Secret("CANARY"), "NOYO_CLIENT_SECRET": Secret("CANARY")})

        async with client(Other()) as made:
            with pytest.raises(
                SourceRefusedError, match="has: NOYO_CLIENT_ID, NOYO_CLIENT_SECRET"
            ) as refused:
                await made.token()
        assert "CANARY" not in str(refused.value)


# --- one vendor's own -------------------------------------------------------------------------------------------------


async def test_nomad_pings_with_the_application_of_the_source() -> None:
    """The token carries the id along, for the clients that find it in a store."""
    async with _sandbox(_NOMAD) as (sandbox, _, client):
        async with client(_Held(_NOMAD, sandbox)) as made:
            token = await made.token()
            assert token.extra["applicationId"] == sandbox.credentials.application_id
            assert isinstance(await made.ping(), PingResponse)
        async with client(_Held(_NOMAD_STATIC, sandbox)) as made:
            assert "applicationId" not in (await made.token()).extra


@pytest.mark.parametrize(
    "given, kind",
    [
        ({"auth_token": "k"}, NaoApiKey),
        ({"email": "e", "password": "p"}, NaoSession),
        ({"username": "u", "password": "p"}, NomadPassword),
        ({"static_token": "t"}, NomadStaticToken),
        ({"api_key": "k"}, NomadApiKey),
    ],
)
async def test_the_fields_decide_the_kind(given: dict[str, str], kind: type, tmp_path: Path) -> None:
    """As variables do."""
    folder = tmp_path

    def write() -> None:
        for name, value in given.items():
            (folder / name).write_text(value)

    await asyncio.to_thread(write)
    client = NaoClient if kind in {NaoApiKey, NaoSession} else NomadClient
    made = client(SecretFiles(folder), base_url="https://v.example.com")
    question = made._manager._authenticator._question  # type: ignore[attr-defined]
    assert isinstance(await question.ask(), kind)


def test_a_class_is_no_function() -> None:
    """A credential's class in the place of a credential is the caller's slip."""
    with pytest.raises(ConfigurationError, match="must be NombaCredentials"):
        NombaClient(NombaCredentials, environment="sandbox")  # type: ignore[arg-type]
