"""A secret pasted into the wrong place is not repeated by the error.

Looked at: everything an error says, holds and drags along, logs and warnings. Excluded, and why:

* The frames, where the value stands in a wrong place: nothing there says that it is a secret, and the caller's own frame
  holds it. Where it stands in the right place of the environment, frames are looked at too.
* Names are shown: those of hosts, of files and of a sandbox's switches.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import attrs
import pytest
from aiohttp import ClientError
from yarl import URL

import naoauth
import naoauth.sandbox
import nauth.oauth2
import nauth.stores
import nomadauth
import nomadauth.sandbox
import nombaauth
import nombaauth.sandbox
import noyoauth
import noyoauth.sandbox
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.testing import Fault, Faults
from nauth.token import RenewalPolicy
from tests.fuzz.readers import VARIABLES
from tests.secret_leaks.scene import ALL, Scene, play
from tests.support.leaks.detector import Canaries, Witness

_ALL_FRAMES = ("",)
_CANARY = "CANARY-7f3e9a1c0b5d42e8"
_URL = "https://api.example.com"


class _Talkative:
    """Something of the user's, whose repr shows too much."""

    def __repr__(self) -> str:
        return f"<{_CANARY}>"


WRONG: Mapping[str, Any] = {
    "text": _CANARY,
    "spaced text": f" {_CANARY} \n",
    "colon": f"id:{_CANARY}",
    "user info": f"https://user:{_CANARY}@api.example.com",
    "user info of redis": f"redis://user:{_CANARY}@redis.example.com/x",
    "unencoded password": f"rediss://user:pa/{_CANARY}#?@redis.example.com",
    "option": f"rediss://redis.example.com?password={_CANARY}",
    "query": f"https://api.example.com/?token={_CANARY}",
    "fragment": f"https://api.example.com/#{_CANARY}",
    "path": f"http://api.example.com/{_CANARY}",
    "port": f"https://api.example.com:{_CANARY}",
    "scheme": f"{_CANARY}://api.example.com",
    "file": f"file:{_CANARY}",
    "url": URL(f"https://user:{_CANARY}@api.example.com"),
    "bytes": _CANARY.encode(),
    "list": [_CANARY],
    "mapping": {_CANARY: _CANARY},
    "object": _Talkative(),
    "half a character": f"{_CANARY}\ud800",
    "line break": f"{_CANARY}\r\nx: y",
    "too long": _CANARY * 4000,
    "secret": Secret(_CANARY),
}
"""How a secret may come in the wrong place."""


def _takes(call: Callable[..., Any]) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}
    ]


_NOMAD = nomadauth.NomadPassword("svc@example.com", "pw")
_NOMBA = nombaauth.NombaCredentials("id", "secret", "account")
_NOYO = noyoauth.NoyoCredentials("id", "secret")
_ENDPOINT = nauth.oauth2.TokenEndpoint(f"{_URL}/token", client_id="id")

SURFACE: tuple[tuple[Callable[..., Any], Mapping[str, Any]], ...] = (
    (nomadauth.NomadClient, {"credentials": _NOMAD, "base_url": _URL}),
    (nomadauth.NomadPassword, {"username": "u", "password": "p"}),
    (nomadauth.NomadSSO, {"provider": "azure", "token": "t"}),
    (nomadauth.NomadSSO.from_callback, {"returned": "?azure_token=t&authCallback="}),
    (nomadauth.NomadStaticToken, {"token": "t"}),
    (nomadauth.NomadApiKey, {"key": "k"}),
    (nomadauth.sso_login_url, {"provider": "azure", "base_url": _URL}),
    (nombaauth.NombaClient, {"credentials": _NOMBA, "environment": "sandbox"}),
    (nombaauth.NombaCredentials, {"client_id": "i", "client_secret": "s", "account_id": "a"}),
    (noyoauth.NoyoClient, {"credentials": _NOYO, "environment": "sandbox"}),
    (noyoauth.NoyoCredentials, {"client_id": "i", "client_secret": "s"}),
    (noyoauth.ListGroupsRequest, {}),
    (naoauth.NaoClient, {"credentials": naoauth.NaoApiKey("k")}),
    (naoauth.NaoApiKey, {"auth_token": "k"}),
    (naoauth.NaoSession, {"email": "e", "password": "p"}),
    (naoauth.NaoOAuth, {"client_id": "i", "client_secret": "s", "redirect_uri": "https://app.example.com"}),
    (RenewalPolicy, {}),
    (Secret, {"value": "v"}),
    (nauth.stores.MemoryStore, {}),
    (nauth.stores.SQLiteStore, {"path": "tokens.db"}),
    (nauth.stores.RedisStore, {"url_or_client": "redis://localhost"}),
    (
        nauth.stores.EncryptedStore,
        {"inner": nauth.stores.MemoryStore(), "keys": {"a": nauth.stores.EncryptedStore.generate_key()}},
    ),
    (nauth.oauth2.TokenEndpoint, {"token_url": f"{_URL}/token", "client_id": "id"}),
    (nauth.oauth2.ClientCredentials, {"endpoint": _ENDPOINT}),
    (
        nauth.oauth2.AuthorizationCode,
        {"endpoint": _ENDPOINT, "authorization_url": f"{_URL}/authorize"},
    ),
    (nauth.oauth2.PKCE, {}),
    (Fault, {}),
    (Faults().add, {"fault": Fault()}),
)
"""What a user calls, and arguments that it takes."""


class _Eye:
    """Does what is wrong, and looks at what is said about it; with `frames` at locals too."""

    def __init__(self, *, frames: bool = False) -> None:
        self._witness = Witness(strangers=() if frames else _ALL_FRAMES)
        self._frames = frames
        self.errors = 0

    def __enter__(self) -> Self:
        self._watching = self._witness.watching()
        self._watching.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watching.__exit__(*error)  # type: ignore[arg-type]  # handed through

    def look(self, name: str, call: Callable[[], Any]) -> None:
        """Call, and keep all that is shown."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - any error may end on a screen
            self._witness.caught(name, error)
            self.errors += 1

    def leaks(self) -> list[str]:
        """Name what showed the canary."""
        canaries = Canaries()
        canaries.add("canary", _CANARY)
        canaries.add("canary", _CANARY.lower())  # as hosts and choices are read
        if self._frames:
            self._witness.render()
        return self._witness.leaks(canaries)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away what the environment of the test run has set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("call, good", SURFACE, ids=lambda value: getattr(value, "__qualname__", None) or "")
def test_no_argument_is_read_out(call: Callable[..., Any], good: Mapping[str, Any]) -> None:
    """Whatever a secret is given as, no error that comes of it shows the secret."""
    call(**good)
    with _Eye() as eye:
        for name in _takes(call):
            for form, wrong in WRONG.items():
                eye.look(f"{name}, {form}", partial(call, **{**good, name: wrong}))
    assert eye.leaks() == []
    assert eye.errors or call in {nauth.oauth2.ClientCredentials, Fault}


@pytest.mark.parametrize("member", ["id", "key"])
def test_no_key_of_a_store_is_read_out(member: str) -> None:
    """Ids and keys may have been confused: neither is shown."""
    key, make = nauth.stores.EncryptedStore.generate_key(), nauth.stores.EncryptedStore
    with _Eye() as eye:
        for form, wrong in WRONG.items():
            if member == "key":
                eye.look(form, partial(make, nauth.stores.MemoryStore(), {"a": wrong}))
            elif isinstance(wrong, Hashable):
                keys: Mapping[Any, Secret] = {wrong: key}
                eye.look(form, partial(make, nauth.stores.MemoryStore(), keys))
    assert eye.errors
    assert eye.leaks() == []


@pytest.mark.parametrize(
    "sandbox, switches",
    [
        (nomadauth.sandbox.NomadSandbox, nomadauth.sandbox.SWITCHES),
        (nombaauth.sandbox.NombaSandbox, nombaauth.sandbox.SWITCHES),
        (noyoauth.sandbox.NoyoSandbox, noyoauth.sandbox.SWITCHES),
        (naoauth.sandbox.NaoSandbox, naoauth.sandbox.SWITCHES),
    ],
    ids=["nomad", "nomba", "noyo", "nao"],
)
def test_no_value_of_a_switch_is_read_out(sandbox: Callable[..., Any], switches: Mapping[str, Any]) -> None:
    """A double's switches are told apart by name; their wrong values are not shown."""
    with _Eye() as eye:
        for name in switches:
            eye.look(name, partial(sandbox, **{name: _CANARY}))
    assert eye.errors == len(switches)
    assert eye.leaks() == []


# --- the environment --------------------------------------------------------------------------------------------------

CLIENTS: Mapping[str, Callable[[], Any]] = {
    "NOMAD": nomadauth.NomadClient,
    "NOMBA": nombaauth.NombaClient,
    "NOYO": noyoauth.NoyoClient,
    "NAO": naoauth.NaoClient,
}
CREDENTIALS: Mapping[str, tuple[Callable[[], Any], ...]] = {
    "NOMAD": (
        nomadauth.NomadPassword.from_env,
        nomadauth.NomadStaticToken.from_env,
        nomadauth.NomadApiKey.from_env,
    ),
    "NOMBA": (nombaauth.NombaCredentials.from_env,),
    "NOYO": (noyoauth.NoyoCredentials.from_env,),
    "NAO": (naoauth.NaoApiKey.from_env, naoauth.NaoSession.from_env, naoauth.NaoOAuth.from_env),
}
GOOD: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "NOMAD": (
        {"NOMAD_MEDIA_USERNAME": "u", "NOMAD_MEDIA_PASSWORD": "p", "NOMAD_MEDIA_BASE_URL": _URL},
        {"NOMAD_MEDIA_STATIC_TOKEN": "t", "NOMAD_MEDIA_BASE_URL": _URL},
        {"NOMAD_MEDIA_API_KEY": "k", "NOMAD_MEDIA_BASE_URL": _URL},
    ),
    "NOMBA": (
        {
            "NOMBA_CLIENT_ID": "i",
            "NOMBA_CLIENT_SECRET": "s",
            "NOMBA_ACCOUNT_ID": "a",
            "NOMBA_ENVIRONMENT": "sandbox",
        },
    ),
    "NOYO": ({"NOYO_CLIENT_ID": "i", "NOYO_CLIENT_SECRET": "s", "NOYO_ENVIRONMENT": "sandbox"},),
    "NAO": (
        {"NAO_AUTH_TOKEN": "t"},
        {"NAO_EMAIL": "e", "NAO_PASSWORD": "p"},
        {"NAO_CLIENT_ID": "i", "NAO_CLIENT_SECRET": "s", "NAO_REDIRECT_URI": "https://app.example.com"},
    ),
}
"""Vendor -> what its client can be made of."""

_SECRET_ONES = {
    name
    for name in VARIABLES
    if name.endswith(("_PASSWORD", "_SECRET", "_PRIVATE_KEY", "_STATIC_TOKEN", "_API_KEY", "_AUTH_TOKEN"))
}


_FORMS = [form for form, value in WRONG.items() if type(value) is str and value.isprintable()]
"""What an environment can hold."""
_FEW = ("text", "user info")


def _surroundings(vendor: str, variable: str) -> Iterator[tuple[dict[str, str], Sequence[str]]]:
    """Give what else may be set (nothing, what is right, what is right but for one thing), and the forms to try then."""
    yield {}, _FEW
    for good in GOOD[vendor]:
        yield dict(good), _FORMS
        for name in good:
            if name != variable:
                yield {**good, name: ""}, _FEW
                yield {**good, name: "\u00fc \t:"}, _FEW


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_variable_is_read_out(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in a variable, alone or beside others, right or wrong, no error shows it."""
    vendor = variable.partition("_")[0]
    with _Eye(frames=variable in _SECRET_ONES) as eye:
        for others, forms in _surroundings(vendor, variable):
            with monkeypatch.context() as patch:
                for name, value in others.items():
                    patch.setenv(name, value)
                for form in forms:
                    patch.setenv(variable, WRONG[form])
                    for make in (CLIENTS[vendor], *CREDENTIALS[vendor]):
                        eye.look(f"{variable}, {form}", make)
    assert eye.errors
    assert eye.leaks() == []


# --- mixed up ---------------------------------------------------------------------------------------------------------

_NAMES: Mapping[str, tuple[str, ...]] = {
    "NombaCredentials": ("client_id", "account_id"),
    "NomadPassword": ("username", "application_id"),
    "NoyoCredentials": ("client_id",),
    "NaoSession-password": ("email",),
    "NaoOAuth": ("client_id",),
}
"""Way to sign in -> what is no secret, and could be mixed up with one."""


@pytest.mark.parametrize("case", [case for case in ALL if case.name in _NAMES], ids=lambda case: case.name)
def test_a_mixed_up_credential_is_not_read_out(case: Any) -> None:
    """A secret that stands where an id belongs is refused by the vendor, and neither errors, logs nor events show it."""
    scene = Scene(case)
    scene.witness = Witness(strangers=_ALL_FRAMES)
    scene.canaries = Canaries()
    scene.canaries.add("canary", _CANARY)

    async def use(scene: Scene) -> None:
        for name in _NAMES[case.name]:
            credentials = attrs.evolve(case.credentials(scene.sandbox), **{name: _CANARY})
            async with case.vendor.client(
                credentials,
                base_url=scene.sandbox.base_url,
                clock=scene.clock,
                store=nauth.stores.MemoryStore(clock=scene.clock),
                observer=scene.witness.event,
            ) as client:
                for call in (client.token, client.check, client.renew):
                    try:
                        await call()
                    except (NauthError, ClientError) as error:
                        scene.witness.caught(name, error)

    play(scene, use)
    assert scene.witness.errors
    assert {leak for leak in scene.witness.leaks(scene.canaries) if "wrapped" not in leak} == set()


def test_the_surface_is_whole() -> None:
    """Every variable belongs to a vendor, and every credential and client of the front doors is tried."""
    tried = {call for call, _ in SURFACE}
    for package in (nomadauth, nombaauth, noyoauth, naoauth):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing) and (name.endswith("Client") or hasattr(thing, "identity")):
                assert thing in tried, name
    assert {name.partition("_")[0] for name in VARIABLES} == set(CLIENTS)
