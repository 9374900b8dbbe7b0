"""No secret is ever shown: not in logs, errors, tracebacks, events, reprs, pickles, copies or output.

    uv run pytest tests/test_canaries.py

Every secret is a canary: those of the credentials, everything the vendors' doubles issue, and everything the library
wraps in a `Secret` on its way (codes, states, PKCE verifiers). Each way to sign in goes through a tour of successes and
failures; everything that shows anything is kept and searched; and of each request it is checked that a secret stood only
where the vendor wants it.

What is excluded, and why:

* Frames of the tests themselves, which hold the canaries.
* A `Secret`'s own slot: reading it is calling `reveal` by another name.
* Nothing of aiohttp's: its frames hold requests in its own objects, whose reprs show no headers, and those that an error
  of aiohttp's own passes on its way to the caller of `client.request` are searched like all others.
* What an OAuth server adds under names of its own: see `EXTRA`.
* Live objects are not copied or pickled part by part: copies are looked at of records only.
* An error code in the form of one (lower case, digits, `_.-`, short) is shown: errors carry the vendor's code.
* `nauth token --show` prints the token, which is what it is for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import types
import warnings
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import quote

import attrs
import pytest
from aiohttp import ClientError, web
from typer.testing import CliRunner

from naoauth import NaoClient
from nauth.cli.app import app
from nauth.client import VendorClient
from nauth.errors import NauthError
from nauth.stores import EncryptedStore, MemoryStore, SQLiteStore
from nauth.testing import FakeClock, Fault
from nombaauth.sandbox import NombaSandbox
from tests.fakes.canaries import WRAPPED, Canaries, Received, Witness, received, secrets_of, wrapped
from tests.fakes.servers import in_thread, serve
from tests.fakes.vendors import CASES, FIXED, Case

_PLANTED = "canary-3f9d2c71b5e84a06-in-an-answer"
"""What a vendor's answer holds where it should not."""
_DAY = timedelta(days=1)

ALL = (*CASES, *FIXED)


def _harvest(canaries: Canaries, sandbox: Any) -> None:
    """Plant what the double has issued."""
    for table in ("_sessions", "_oauth"):
        memory = getattr(sandbox, table, None)
        memory = getattr(memory, "grants", memory)
        for name, kind in (("_accesses", "access"), ("_refreshes", "refresh"), ("_codes", "code")):
            for secret in getattr(memory, name, ()):
                canaries.add(kind, secret)
    for secret in getattr(sandbox, "_jwts", ()):
        canaries.add("access", secret)


class Scene:
    """One double, what it was sent, and a witness of everything else."""

    def __init__(self, case: Case, switches: Mapping[str, Any] | None = None) -> None:
        self.case = case
        self.canaries = Canaries()
        self.witness = Witness()
        self.clock = FakeClock(jump=True)
        self.sandbox = case.vendor.sandbox(clock=self.clock, **{**case.switches, **(switches or {})})
        self.parts = received(self.sandbox)
        self.strangers: list[Received] = []
        self.paths = 0
        self.canaries.add("planted", _PLANTED)

    async def client(self, *, wrong: bool = False, **options: Any) -> VendorClient:
        """Open a client on a store of its own."""
        credentials = self.case.credentials(self.sandbox)
        if self.case.signed_on:
            self.clock.advance(_DAY)
        credentials = attrs.evolve(credentials, **(self.case.wrong if wrong else {}))
        for name, secret in secrets_of(credentials):
            self.canaries.add(name, secret)
        self.witness.shown("credentials", credentials)
        given: dict[str, Any] = {"base_url": self.sandbox.base_url, "store": MemoryStore(clock=self.clock)}
        if getattr(self.sandbox, "sso_base_url", None):
            given["sso_base_url"] = self.sandbox.sso_base_url
        made = self.case.vendor.client(
            credentials, clock=self.clock, observer=self.witness.event, **(given | options)
        )
        assert isinstance(made, VendorClient)
        return made

    async def attempt(self, name: str, work: Awaitable[Any]) -> Any:
        """Do one thing, and look at what comes of it, well or not."""
        self.paths += 1
        try:
            result = await work
        except (NauthError, ClientError, TimeoutError) as error:
            self.witness.caught(name, error)
            return None
        self.witness.shown(f"{name}: result", result)
        return result

    async def status(self, client: VendorClient) -> int:
        async with client.get(self.case.vendor.path) as response:
            await response.read()
            self.witness.seen.append(("response", repr(response)))
            return response.status

    def look(self, client: VendorClient) -> None:
        """Look at a client and all that hangs on it."""
        for name, thing in (
            ("client", client),
            ("manager", client._manager),
            ("auth", client.auth),
            ("api", client.api),  # type: ignore[attr-defined]  # every vendor's client has it
            ("store", client._manager._store),
            ("token", client._manager.current),
        ):
            self.witness.shown(name, thing)

    def misplaced(self, allowed: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
        """Name each part of a request that holds a secret it must not hold."""
        found = set()
        for part in self.parts:
            may = allowed.get(part.endpoint, allowed["*"]).get(part.place, set())
            for kind in self.canaries.kinds(part.text) - may:
                found.add(f"{part.endpoint}: {part.place} holds {kind}")
        for part in self.strangers:
            for kind in self.canaries.kinds(part.text):
                found.add(f"a stranger: {part.place} holds {kind}")
        return sorted(found)


_TOKENS = {"access", "token", "key", "auth_token"}
"""What a fixed credential is called, and what is issued."""
_BEARER = {"header Authorization": _TOKENS}

PLACES: Mapping[str, Mapping[str, Mapping[str, set[str]]]] = {
    "nomba": {
        "issue": {"body client_secret": {"client_secret"}},
        "refresh": {"header Authorization": {"access"}, "body refresh_token": {"refresh"}},
        "revoke": {"body access_token": {"access"}},
        "*": _BEARER,
    },
    "nomad": {
        "login": {"body password": {"password"}},
        "refresh": {"body refreshToken": {"refresh"}},
        "renew": {
            "body refreshToken": {"refresh", "refresh_token"},
            "header Authorization": {"access", "token"},
        },
        "*": _BEARER,
    },
    "noyo": {
        "token": {"body client_secret": {"client_secret"}},
        "*": _BEARER,
    },
    "nao": {
        "sessions": {"body session.password": {"password"}, "header Authorization": {"auth_token"}},
        "token": {
            "body client_secret": {"client_secret"},
            "body refresh_token": {"refresh", "refresh_token"},
            "body code": {"code", "planted", WRAPPED},
            "body code_verifier": {WRAPPED},
        },
        "revoke": {
            "body client_secret": {"client_secret"},
            "body token": {"access", "refresh", "refresh_token"},
        },
        "*": _BEARER,
    },
}
"""Vendor -> endpoint -> place -> the secrets that must stand there. Everything else is a leak."""


def _bodies() -> list[tuple[str, Fault]]:
    """Return what can come instead of an answer; whatever has a body holds the canary."""
    named = (
        "access_token",
        "refresh_token",
        "token",
        "refreshToken",
        "jwt",
        "accessToken",
        "error",
        "message",
    )
    texts = {
        "wrong types": {name: [_PLANTED] for name in named},
        "names": {f"{name} {_PLANTED}": _PLANTED for name in named},
        "in data": {
            "data": {name: {_PLANTED: _PLANTED} for name in named},
            "code": "00",
            "description": _PLANTED,
        },
        "as meta": {"meta": {"jwt": 5, "jwt_expires_at": _PLANTED}, "data": []},
        "times": {
            "access_token": _PLANTED,
            "token": _PLANTED,
            "expires_in": _PLANTED,
            "expirationSeconds": _PLANTED,
        },
    }
    faults = [(f"200 with {name}", Fault(body=json.dumps(body).encode())) for name, body in texts.items()]
    faults += [
        ("200 with half a body", Fault(body=json.dumps(texts["times"]).encode()[:-5])),
        ("200 with html", Fault(body=f"<html>{_PLANTED}".encode(), content_type="text/html")),
        ("200 with nothing", Fault(body=b"")),
        ("200 with a megabyte", Fault(body=_PLANTED.encode() * 40_000)),
        ("dropped before", Fault(drop="before")),
        ("dropped after", Fault(drop="after")),
    ]
    refusal = {
        "error": "invalid_grant",
        "error_description": _PLANTED,
        "message": _PLANTED,
        "errors": [_PLANTED],
    }
    shapes = {
        "json": json.dumps(refusal).encode(),
        "odd code": json.dumps({"error": f"{_PLANTED}+/=", "code": f"{_PLANTED}+/="}).encode(),
        "text": _PLANTED.encode(),
    }
    for status in (400, 401, 403, 404, 422, 429, 500, 503):
        for shape, body in shapes.items() if status in {401, 500} else [("json", shapes["json"])]:
            faults.append(
                (
                    f"{status} {shape}",
                    Fault(status=status, body=body, headers={"X-Echo": _PLANTED, "Retry-After": "1"}),
                )
            )
    return faults


Step: TypeAlias = Callable[[Scene], Awaitable[None]]


async def _good_day(scene: Scene) -> None:
    """Everything goes well, with renewals, replays and the end of a session."""
    client = await scene.client()
    async with client:
        scene.look(client)
        await scene.attempt("token", client.token())
        await scene.attempt("request", scene.status(client))
        await scene.attempt("check", client.check())  # type: ignore[attr-defined]  # as above
        await scene.attempt("renew", client.renew())
        scene.look(client)
        scene.sandbox.kill_sessions()
        await scene.attempt("request, thrown out", scene.status(client))
        scene.clock.advance(_DAY * 2)
        await scene.attempt("request, expired", scene.status(client))
        for name in ("ping", "revoke", "logout"):
            if hasattr(client, name):
                await scene.attempt(name, getattr(client, name)())
        scene.look(client)
        await scene.attempt("after the end", scene.status(client))
    scene.look(client)
    await scene.attempt("closed", client.token())


async def _refused(scene: Scene) -> None:
    """The credential is wrong, or the vendor likes no token, or throws everybody out for good."""
    async with await scene.client(wrong=True) as client:
        for name in ("token", "token in the cool-down"):
            await scene.attempt(name, client.token())
        await scene.attempt("request", scene.status(client))
        scene.look(client)
    async with await scene.client() as client:
        await scene.attempt("token", client.token())
        scene.sandbox.reject_all = True
        await scene.attempt("request", scene.status(client))
        await scene.attempt("check", client.check())  # type: ignore[attr-defined]  # as above
        scene.sandbox.reject_all = False
        if scene.case.revives:
            scene.sandbox.kill_sessions(
                **({} if scene.case.vendor.name == "noyo" else {"kill_refresh": True})
            )
        await scene.attempt("session killed", scene.status(client))


async def _strange_answers(scene: Scene) -> None:
    """Each endpoint answers with nonsense that holds a canary, once with and once without a token at hand."""
    case = scene.case
    asyncio.get_running_loop().set_debug(False)  # hundreds of connections, each logged with a stack
    for name, fault in _bodies():
        async with await scene.client() as client:
            if case.signs_in:
                scene.sandbox.faults.add(fault, endpoint=case.signs_in, times=100)
                await scene.attempt(f"{name}, signing in", client.token())
                scene.sandbox.faults.clear()
                scene.clock.advance(timedelta(minutes=10))
                await scene.attempt("token", client.token())
                scene.sandbox.faults.add(fault, endpoint=case.renews, times=100)
                await scene.attempt(f"{name}, renewing", client.renew())
                scene.sandbox.faults.clear()
    asyncio.get_running_loop().set_debug(True)


async def _consent(scene: Scene) -> None:
    """A person signs in: code, state and PKCE verifier pass through, once well and once not."""
    if not scene.case.name.startswith("NaoOAuth"):
        return
    client = await scene.client()
    assert isinstance(client, NaoClient)
    async with client:
        callback = scene.sandbox.approve(client.authorization_url())
        await scene.attempt("exchange", client.exchange(callback))
        await scene.attempt("exchange again", client.exchange(callback))
        await scene.attempt(
            "forged", client.exchange(f"https://app.example/?code={_PLANTED}&state={_PLANTED}")
        )
        scene.sandbox.deny()
        await scene.attempt("denied", client.exchange(scene.sandbox.approve(client.authorization_url())))
        scene.sandbox.deny(None)
        scene.look(client)


async def _broken_connections(scene: Scene) -> None:
    """The user's own request meets a vendor that hangs up, or cannot be reached: the errors are aiohttp's own."""
    async with await scene.client() as client:
        await client.token()
        endpoint = scene.case.vendor.endpoint
        for fault in (Fault(drop="before"), Fault(drop="after")):
            scene.sandbox.faults.add(fault, endpoint=endpoint, times=10)
            await scene.attempt("request, dropped", scene.status(client))
            await scene.attempt("check, dropped", client.check())  # type: ignore[attr-defined]  # as above
            scene.sandbox.faults.clear()
        gate = asyncio.Event()
        scene.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint=endpoint, times=2)
        await scene.attempt("request, timed out", asyncio.wait_for(scene.status(client), 0.02))
        gate.set()
        scene.sandbox.faults.clear()
        await scene.sandbox.aclose()
        await scene.attempt("request, nobody there", scene.status(client))
        await scene.attempt("check, nobody there", client.check())  # type: ignore[attr-defined]  # as above
        await scene.attempt("renew, nobody there", client.renew())
        await scene.sandbox.start()


async def _sent_away(scene: Scene) -> None:
    """Redirects to another host, and requests to one, take no secret along."""

    async def stranger(request: web.Request) -> web.Response:
        text = f"{request.raw_path} {request.raw_headers!r} {await request.read()!r}"
        scene.strangers.append(Received("stranger", "request", text))
        return web.Response(text="{}")

    async with serve(stranger) as url, await scene.client() as client:
        away = str(url.with_host("localhost"))
        fault = Fault(status=307, body=b"", headers={"Location": away})
        if scene.case.signs_in:
            scene.sandbox.faults.add(fault, endpoint=scene.case.signs_in, times=10)
            await scene.attempt("token, sent away", client.token())
            scene.sandbox.faults.clear()
            scene.clock.advance(timedelta(minutes=10))
        await scene.attempt("token", client.token())
        scene.sandbox.faults.add(fault, endpoint=scene.case.vendor.endpoint)
        await scene.attempt("request, sent away", scene.status(client))
        scene.sandbox.faults.add(fault, endpoint=scene.case.vendor.endpoint)
        await scene.attempt("check, sent away", client.check())  # type: ignore[attr-defined]  # as above
        try:
            client.get(away)
        except NauthError as error:
            scene.witness.caught("request to a stranger", error)
        assert scene.strangers


STEPS: tuple[Step, ...] = (_good_day, _consent, _refused, _broken_connections, _sent_away, _strange_answers)
FEWER: tuple[Step, ...] = (_good_day, _consent, _refused)
"""For the vendors' other tempers: whatever answers strangely is read by the same code."""

EXTRA = {": .extra": {"planted"}, "asdict": {"planted"}, "astuple": {"planted"}}
"""What an OAuth server adds to its answer under names of its own goes to `Token.extra` as it is, whose repr shows the
names only: https://www.rfc-editor.org/rfc/rfc6749#section-5.1. Only what came under the standard names is a secret."""


def _play(scene: Scene, *steps: Step) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(scene.witness.loop_error)
        async with scene.sandbox:
            for step in steps:
                await step(scene)

    with wrapped(scene.canaries), scene.witness.watching(), asyncio.Runner(debug=True) as runner:
        runner.run(run())
    _harvest(scene.canaries, scene.sandbox)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_no_secret_is_shown(case: Case) -> None:
    """On no path does a canary appear anywhere but in the part of the request that must carry it."""
    scene = Scene(case)
    _play(scene, *(FEWER if case.name.endswith("-harsh") else STEPS))
    assert scene.witness.render()
    assert len(scene.canaries) > 1
    but = EXTRA if case.name.startswith("NaoOAuth") else {}
    assert scene.witness.leaks(scene.canaries, but=but) == []
    assert scene.misplaced(PLACES[case.vendor.name]) == []


# --- stores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
def test_a_file_shows_what_it_must(sealed: bool, tmp_path: Path) -> None:
    """SQLite's file holds the token, and encrypted no secret at all; the columns of keys never do."""
    case = CASES[0]
    scene = Scene(case)
    folder = tmp_path / "db"
    folder.mkdir(mode=0o700)
    key = EncryptedStore.generate_key()
    scene.canaries.add("store key", key)
    files: list[bytes] = []

    async def use(scene: Scene) -> None:
        plain = SQLiteStore(folder / "tokens.db", clock=scene.clock)
        store = EncryptedStore(plain, {"a": key}) if sealed else plain
        async with await scene.client(store=store) as client:
            await scene.attempt("token", client.token())
            await scene.attempt("renew", client.renew())
            scene.look(client)
            scene.witness.shown("store", store)
            # while it is open, so that the write-ahead log is there
            found = await asyncio.to_thread(lambda: [file for file in folder.rglob("*") if file.is_file()])
            assert any(file.name.endswith("-wal") for file in found)
            files.extend([await asyncio.to_thread(file.read_bytes) for file in found])
        await store.aclose()

    _play(scene, use)
    scene.witness.render()
    shown = {kind for file in files for kind in scene.canaries.kinds(file.decode("latin-1"))}
    # what is wrapped there is the sealed text itself
    assert shown - {WRAPPED} == (set() if sealed else {"access", "refresh"})
    assert scene.witness.leaks(scene.canaries) == []


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command, shows",
    [
        (("check", "nomba"), set()),
        (("token", "nomba"), set()),
        (("token", "nomba", "--show"), {"stdout", "output"}),
        (("demo", "--vendor", "nomba", "--seconds", "1", "--coroutines", "50"), set()),
    ],
    ids=["check", "token", "show", "demo"],
)
@pytest.mark.parametrize("wrong", [False, True], ids=["good", "wrong"])
def test_a_command_prints_no_secret(
    command: tuple[str, ...], shows: set[str], wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nauth token --show` prints the token, on purpose; nothing else is printed by any command."""
    sandbox, canaries, witness = NombaSandbox(), Canaries(), Witness()
    given = sandbox.credentials
    secret = "wrong-" * 8 if wrong else given.client_secret.reveal()
    canaries.add("client_secret", secret)
    with in_thread(sandbox), wrapped(canaries), witness.watching():
        monkeypatch.setenv("NOMBA_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("NOMBA_CLIENT_ID", given.client_id)
        monkeypatch.setenv("NOMBA_CLIENT_SECRET", secret)
        monkeypatch.setenv("NOMBA_ACCOUNT_ID", given.account_id)
        done = CliRunner().invoke(app, command, prog_name="nauth")
        witness.seen.append(("output", done.output))
    assert (done.exit_code != 0) is (wrong and command[0] != "demo"), done.output
    _harvest(canaries, sandbox)
    leaks = set(witness.leaks(canaries))
    assert leaks <= {f"{place} shows access" for place in shows}
    assert bool(leaks) is (bool(shows) and not wrong)


# --- the detector itself ----------------------------------------------------------------------------------------------


@attrs.frozen
class _Loose:
    token: str


class _Careless:
    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return f"<{self.token}>"


def _fail(canary: str) -> None:
    raise NauthError("nothing to see")


def _as_ours(function: types.FunctionType) -> types.FunctionType:
    """Return `function` as if it stood in a file of the library."""
    return types.FunctionType(
        function.__code__.replace(co_filename="/somewhere/common/nauth/odd.py"), globals()
    )


def _plant_error(witness: Witness, canary: str) -> None:
    try:
        _as_ours(cast("types.FunctionType", _fail))(canary)
    except NauthError as error:
        witness.caught("planted", error)


PLANTS: Mapping[str, Callable[[Witness, str], object]] = {
    "log": lambda _, canary: logging.getLogger("nauth").debug("got %s", canary),
    "stdout": lambda _, canary: print(canary),  # noqa: T201 - the plant
    "warning": lambda _, canary: warnings.warn(canary, stacklevel=1),
    "repr": lambda witness, canary: witness.shown("x", _Careless(canary)),
    "asdict": lambda witness, canary: witness.shown("x", _Loose(canary)),
    "pickle": lambda witness, canary: witness.shown("x", [canary]),
    "event": lambda witness, canary: witness.event(_Loose(canary)),
    "local": _plant_error,
    "cut off": lambda witness, canary: witness.shown("x", _Careless(canary[:25])),
    "quoted": lambda witness, canary: witness.shown("x", _Careless(quote(canary, safe=""))),
}


@pytest.mark.parametrize("name", PLANTS)
def test_the_detector_finds_what_is_planted(name: str) -> None:
    """A canary in each of the places where one could be is found, and nothing else."""
    canary = "sk+live/0123456789abcdef0123456789abcdef0123456789=="
    canaries, witness = Canaries(), Witness()
    canaries.add("secret", canary)
    with witness.watching():
        pass
    assert witness.leaks(canaries) == []
    with witness.watching():
        PLANTS[name](witness, canary)
    assert bool(witness.render()) is (name == "local")
    leaks = witness.leaks(canaries)
    assert leaks
    assert all(leak.endswith("shows secret") for leak in leaks)
    if name == "local":
        assert any(leak.startswith("rich") for leak in leaks)
