"""What a person gives passes through as unseen as what a program holds: codes, new passwords, PKCE verifiers, logins."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from aiohttp import ClientSession
from yarl import URL

import nauth.stores.aes_gcm  # noqa: F401 - what it wraps when it is imported is no secret of a test
from naoauth import NaoClient, NaoOAuth, Secret
from naoauth.credentials import application_fields
from nauth.errors import NauthError
from nauth.interactive import LoopbackListener
from nauth.logins import RememberedLogin, known_logins
from nauth.oauth2 import PKCE, recall, remember
from nauth.stores import EncryptedStore
from nauth.testing import Fault
from nomadauth import LoginStatus, NomadInteraction
from tests.secret_leaks.places import EXTRA, PLACES
from tests.secret_leaks.scene import ALL, PLANTED, Scene, play
from tests.support.vendors.table import Case

_CASES = {case.name: case for case in ALL}

_CODE = "code-7c1f04b2d9e6"
_PASSWORD = "new-password 51c0a9e3 %d"
_WRONG = "wrong-answer-0d3c6b18"


# --- Nomad: a second factor, a new password ---------------------------------------------------------------------------


class _Person:
    """Gives one answer after the other, and none when there is none left."""

    def __init__(self, scene: Scene, answers: Sequence[str]) -> None:
        self.asked: list[NomadInteraction] = []
        self._scene = scene
        self._answers = list(answers)

    async def __call__(self, interaction: NomadInteraction) -> str | None:
        self._scene.witness.shown("interaction", interaction)
        for secret in (interaction.qr_code, interaction.qr_code_image):
            self._scene.canaries.add("qr", secret)
        self.asked.append(interaction)
        return self._answers.pop(0) if self._answers else None


async def _challenged(scene: Scene, *, asked: list[NomadInteraction]) -> None:
    """Wrong, right, no answer, no person to ask, and a vendor that hangs up or babbles at the second step."""
    scene.sandbox.code = _CODE
    scene.canaries.add("code", _CODE)
    scene.canaries.add("code", _WRONG)
    new = _PASSWORD % 1
    for number in range(1, 6):
        scene.canaries.add("new_password", _PASSWORD % number)
    wants_password = scene.case.name.endswith("PASSWORD")
    right = new if wants_password else _CODE

    alone = await scene.client()
    async with alone:
        await scene.attempt("no person to ask", alone.token())
    for name, answers, fault in (
        ("no answer", (), None),
        ("wrong, and then no answer", () if wants_password else (_WRONG, _WRONG), None),
        ("dropped", (right,), Fault(drop="before")),
        ("babbled", (right,), Fault(status=400, body=f'{{"message": "{PLANTED}"}}'.encode())),
        (
            "strange",
            (right,),
            Fault(body=f'{{"token": ["{PLANTED}"], "qrCode": {{"{PLANTED}": 1}}}}'.encode()),
        ),
        ("right", (right,), None),
    ):
        person = _Person(scene, answers)
        client = await scene.client(on_interaction=person)
        async with client:
            if fault is not None:
                scene.sandbox.faults.add(Fault(), endpoint="login")
                scene.sandbox.faults.add(fault, endpoint="login", times=10)
            await scene.attempt(name, client.token())
            scene.sandbox.faults.clear()
            await scene.attempt(f"{name}: request", scene.status(client))
            await scene.attempt(f"{name}: check", client.check())  # type: ignore[attr-defined]  # Nomad's has it
            scene.look(client)
        asked += person.asked


@pytest.mark.parametrize(
    "status",
    [
        LoginStatus.TWO_FACTOR_CODE_REQUIRED,
        LoginStatus.TWO_FACTOR_SETUP_REQUIRED,
        LoginStatus.IS_PENDING_NEW_PASSWORD,
    ],
    ids=lambda status: status.name,
)
def test_no_answer_of_a_person_is_shown(status: LoginStatus) -> None:
    """Codes, new passwords and the secret of a second factor stand in the login that needs them, and nowhere else."""
    case = attrs.evolve(
        _CASES["NomadPassword"], name=status.name, credentials=lambda sandbox: sandbox.account(status)
    )
    scene, asked = Scene(case), list[NomadInteraction]()
    play(scene, partial(_challenged, asked=asked))
    assert asked
    assert scene.witness.render()
    assert scene.witness.leaks(scene.canaries) == []
    assert scene.misplaced(PLACES["nomad"]) == []
    sent = {kind for part in scene.parts for kind in scene.canaries.kinds(part.text)}
    assert ("new_password" if status is LoginStatus.IS_PENDING_NEW_PASSWORD else "code") in sent


# --- NAO: PKCE --------------------------------------------------------------------------------------------------------


class _Drawn:
    """Remembers what is drawn at random, so that a verifier is known by its challenge."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._texts: list[str] = []
        self._draw = secrets.token_urlsafe
        patch.setattr(secrets, "token_urlsafe", self)

    def __call__(self, nbytes: int | None = None) -> str:
        self._texts.append(self._draw(nbytes))
        return self._texts[-1]

    def verifier(self, address: str) -> str:
        """Return the verifier behind the challenge in an authorization URL."""
        wanted = URL(address).query["code_challenge"]
        return next(text for text in self._texts if len(text) > 43 and PKCE(text).challenge == wanted)


async def _consents(scene: Scene, *, drawn: _Drawn, sent: set[str]) -> None:
    """Sign-ins that go well, are repeated, forged, declined, refused, lost and left alone."""
    client = await scene.client()
    assert isinstance(client, NaoClient)

    async def begin(*, to_be_sent: bool = False) -> str:
        address = client.authorization_url()
        verifier = drawn.verifier(address)
        scene.canaries.add("verifier", verifier)
        if to_be_sent:
            sent.add(verifier)
        scene.witness.seen.append(("address", address))
        callback: str = scene.sandbox.approve(address)
        return callback

    async with client:
        await begin()  # and never come back
        callback = await begin(to_be_sent=True)
        await scene.attempt("exchange", client.exchange(callback))
        await scene.attempt("exchange again", client.exchange(callback))
        await scene.attempt("renew", client.renew())
        scene.look(client)
        scene.sandbox.deny()
        await scene.attempt("denied", client.exchange(await begin()))
        scene.sandbox.deny(None)
        for name, fault in (
            ("refused", Fault(status=400, body=b'{"error": "invalid_grant"}')),
            ("throttled", Fault(status=429, headers={"Retry-After": "1"})),
            ("broken", Fault(status=500, body=PLANTED.encode())),
            ("babbled", Fault(body=f'{{"access_token": ["{PLANTED}"]}}'.encode())),
            ("lost", Fault(drop="after")),
        ):
            scene.sandbox.faults.add(fault, endpoint="token", times=10)
            callback = await begin(to_be_sent=True)
            await scene.attempt(f"exchange, {name}", client.exchange(callback))
            scene.sandbox.faults.clear()
        await begin()
        await scene.attempt("forged", client.exchange(f"https://app.example/?code={PLANTED}&state={PLANTED}"))
        scene.look(client)
    try:
        await client.exchange(callback)
    except NauthError as error:
        scene.witness.caught("closed", error)


@pytest.mark.parametrize("kind", ["NaoOAuth", "NaoOAuth-harsh"])
def test_a_verifier_stands_in_one_place(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PKCE verifier is the `code_verifier` of the token request of its own sign-in, and is seen nowhere else."""
    case: Case = attrs.evolve(_CASES[kind], switches={**_CASES[kind].switches, "oauth_pkce": "required"})
    scene, drawn, sent = Scene(case), _Drawn(monkeypatch), set[str]()
    play(scene, partial(_consents, drawn=drawn, sent=sent))
    scene.witness.render()
    # the address a person opens holds the state, as it must
    assert scene.witness.leaks(scene.canaries, but=EXTRA | {"address": {"wrapped"}}) == []
    assert scene.misplaced(PLACES["nao"]) == []
    places = {
        (part.endpoint, part.place) for part in scene.parts if "verifier" in scene.canaries.kinds(part.text)
    }
    assert places == {("token", "body code_verifier")}
    assert {part.text for part in scene.parts if part.place == "body code_verifier"} == sent


# --- sealed sign-ins, the listener, remembered logins -----------------------------------------------------------------


async def _sealed(scene: Scene, *, drawn: _Drawn) -> None:
    """Sign-ins in a browser's session that go well, are repeated, copied, altered, declined, refused and lost."""
    client = await scene.client()
    assert isinstance(client, NaoClient)
    session: dict[str, Any] = {}

    def begin() -> tuple[str, str]:
        started = client.begin_sign_in("ada", data={"next": "/"})
        scene.canaries.add("verifier", drawn.verifier(started.url))
        scene.canaries.add("state", URL(started.url).query["state"])
        scene.canaries.add("sealed", started.sealed)
        scene.witness.seen.append(("started", repr(started)))
        remember(session, started)
        return scene.sandbox.approve(started.url), started.sealed

    async def end(name: str, callback: str, started: str) -> None:
        await scene.attempt(name, client.exchange(callback, started=started))

    async with client:
        callback, sealed = begin()
        await end("well", callback, recall(session, callback))
        await end("again", callback, recall(session, callback))
        await end("copied", callback, sealed)
        await end("altered", callback, sealed[:-3] + "AAA")
        _, other = begin()
        await end("of another tab", callback, other)
        scene.sandbox.deny()
        callback, sealed = begin()
        await end("denied", callback, sealed)
        scene.sandbox.deny(None)
        for name, fault in (
            ("refused", Fault(status=400, body=b'{"error": "invalid_grant"}')),
            ("broken", Fault(status=500, body=PLANTED.encode())),
            ("lost", Fault(drop="after")),
        ):
            scene.sandbox.faults.add(fault, endpoint="token", times=10)
            callback, sealed = begin()
            await end(name, callback, sealed)
            scene.sandbox.faults.clear()
        scene.witness.shown("read", client.read_sign_in(sealed))
        scene.look(client)


def test_a_sealed_sign_in_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the seal nor what is in it stands in an error, a log, a frame or a repr."""
    case: Case = attrs.evolve(
        _CASES["NaoOAuth"], switches={**_CASES["NaoOAuth"].switches, "oauth_pkce": "required"}
    )
    scene, drawn = Scene(case), _Drawn(monkeypatch)
    play(scene, partial(_sealed, drawn=drawn))
    assert scene.witness.render()
    assert scene.witness.leaks(scene.canaries, but=EXTRA) == []
    assert scene.misplaced(PLACES["nao"]) == []


async def _returns(scene: Scene) -> None:
    """A browser comes back, well and badly, and no log holds what it brought."""
    state = Secret("state-51d0c7e2a94b")
    async with LoopbackListener(path="/secret-path-9b2e41d7") as listener, ClientSession() as browser:
        scene.witness.shown("listener", listener)
        waiting = asyncio.create_task(listener.callback(state=state))
        await asyncio.sleep(0)
        for query in ("code=x&state=wrong", "state=y", f"code={_CODE}&state={state.reveal()}"):
            async with browser.get(f"{listener.redirect_uri}?{query}") as page:
                scene.witness.seen.append(("page", await page.text()))
        scene.witness.shown("callback", await waiting)


def test_what_a_browser_brings_is_not_shown() -> None:
    """Neither code, nor state, nor a secret path, on any logger and on no page."""
    scene = Scene(_CASES["NaoOAuth"])
    for kind, secret in (("code", _CODE), ("state", "state-51d0c7e2a94b"), ("path", "secret-path-9b2e41d7")):
        scene.canaries.add(kind, secret)
    play(scene, _returns)
    assert scene.witness.leaks(scene.canaries) == []


async def _logins(scene: Scene, *, folder: Path) -> None:
    """A login is remembered, found, renewed, refused, read with a wrong key, and forgotten."""
    key = EncryptedStore.generate_key()
    scene.canaries.add("login_key", key)
    environ = {"NAUTH_LOGIN_STORE": str(folder / "logins.db"), "NAUTH_STORE_KEY": key.reveal()}
    client = await scene.client()
    assert isinstance(client, NaoClient)
    async with client:
        token = await client.token()
        base_url = client.key.base_url
        application = application_fields(cast("NaoOAuth", client._given))
    login = RememberedLogin(environ=environ)
    scene.witness.shown("login", login)
    await scene.attempt("save", login.save("nao", base_url, token, application))
    await scene.attempt("known", known_logins(environ))
    async with NaoClient(login, base_url=base_url) as found:
        await scene.attempt("token", found.token())
        await scene.attempt("renew", found.renew())
        scene.look(found)
        for fault in (Fault(status=400, body=b'{"error": "invalid_grant"}'), Fault(status=500)):
            scene.sandbox.faults.add(fault, endpoint="token", times=10)
            await scene.attempt("renew badly", found.renew())
            scene.sandbox.faults.clear()
    wrong = EncryptedStore.generate_key()
    scene.canaries.add("login_key", wrong)
    other = RememberedLogin(environ={**environ, "NAUTH_STORE_KEY": wrong.reveal()})
    await scene.attempt("wrong key", other.load("nao", base_url))
    await scene.attempt("forget", login.forget("nao", base_url))


def test_a_remembered_login_is_not_shown(tmp_path: Path) -> None:
    """Neither its tokens, nor the application's secret, nor the key stand anywhere but in requests; the file is sealed."""
    scene = Scene(_CASES["NaoOAuth"])
    play(scene, partial(_logins, folder=tmp_path))
    assert scene.witness.render()
    assert scene.witness.leaks(scene.canaries, but=EXTRA) == []
    assert scene.misplaced(PLACES["nao"]) == []
    for file in tmp_path.rglob("*"):
        assert not (file.is_file() and scene.canaries.kinds(file.read_bytes().decode("latin-1"))), file
