"""What happens in a scene: good days, refusals, broken connections, redirects and nonsense for answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from aiohttp import web

from naoauth import NaoClient
from nauth.client import VendorClient
from nauth.errors import NauthError
from nauth.testing import Fault
from tests.secret_leaks.scene import DAY, PLANTED, Scene, Step
from tests.support.http.servers import serve
from tests.support.leaks.detector import Received

__all__ = ["FEWER", "STEPS", "approved", "consent", "good_day", "nonsense", "refused", "stranger"]


def nonsense() -> list[tuple[str, Fault]]:
    """Return what can come instead of an answer; whatever has a body holds the canary."""
    named = (
        "access_token",
        "refresh_token",
        "token",
        "refreshToken",
        "jwt",
        "accessToken",
        "auth_token",
        "error",
        "message",
    )
    texts: dict[str, dict[str, Any]] = {
        "wrong types": {name: [PLANTED] for name in named},
        "names": {f"{name} {PLANTED}": PLANTED for name in named},
        "in data": {
            "data": {name: {PLANTED: PLANTED} for name in named},
            "code": "00",
            "description": PLANTED,
        },
        "as meta": {"meta": {"jwt": 5, "jwt_expires_at": PLANTED}, "data": []},
        "in meta": {
            "meta": {"n": 1, "jwt": [PLANTED], "other": f"{PLANTED}.{PLANTED}", "auth_token": PLANTED},
            "data": {"attributes": {"auth_token": PLANTED}},
        },
        "another scheme": {"access_token": PLANTED, "token_type": "mac"},
        "a refresh token alone": {"access_token": 7, "refresh_token": PLANTED},
        "times": {
            "access_token": PLANTED,
            "token": PLANTED,
            "expires_in": PLANTED,
            "expirationSeconds": PLANTED,
        },
    }
    faults = [(f"200 with {name}", Fault(body=json.dumps(body).encode())) for name, body in texts.items()]
    faults += [
        ("200 with half a body", Fault(body=json.dumps(texts["times"]).encode()[:-5])),
        ("200 with html", Fault(body=f"<html>{PLANTED}".encode(), content_type="text/html")),
        ("200 with nothing", Fault(body=b"")),
        ("200 with a megabyte", Fault(body=PLANTED.encode() * 40_000)),
        ("a redirect", Fault(status=302, headers={"Location": f"https://example.com/?{PLANTED}"})),
        ("dropped before", Fault(drop="before")),
        ("dropped after", Fault(drop="after")),
    ]
    refusal = {
        "error": "invalid_grant",
        "error_description": PLANTED,
        "message": PLANTED,
        "errors": [PLANTED],
    }
    shapes = {
        "json": json.dumps(refusal).encode(),
        "odd code": json.dumps({"error": f"{PLANTED}+/=", "code": f"{PLANTED}+/="}).encode(),
        "text": PLANTED.encode(),
    }
    for status in (400, 401, 403, 404, 418, 422, 429, 500, 503):
        for shape, body in shapes.items() if status in {401, 500} else [("json", shapes["json"])]:
            faults.append(
                (
                    f"{status} {shape}",
                    Fault(status=status, body=body, headers={"X-Echo": PLANTED, "Retry-After": "1"}),
                )
            )
    return faults


async def good_day(scene: Scene) -> None:
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
        scene.clock.advance(DAY * 2)
        await scene.attempt("request, expired", scene.status(client))
        for name in ("ping", "revoke", "logout"):
            if hasattr(client, name):
                await scene.attempt(name, getattr(client, name)())
        scene.look(client)
        await scene.attempt("after the end", scene.status(client))
    scene.look(client)
    await scene.attempt("closed", client.token())


async def refused(scene: Scene) -> None:
    """The credential is wrong, or the vendor likes no token, or ends all sessions for good."""
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


async def strange_answers(scene: Scene) -> None:
    """Each token endpoint answers with nonsense that holds a canary, once with and once without a token at hand."""
    case = scene.case
    for name, fault in nonsense():
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


async def approved(scene: Scene, client: VendorClient) -> None:
    """Have a person sign in, where only one can."""
    if isinstance(client, NaoClient) and scene.case.name.startswith("NaoOAuth"):
        await scene.attempt("exchange", client.exchange(scene.sandbox.approve(client.authorization_url())))


async def consent(scene: Scene) -> None:
    """A person signs in: code, state and PKCE verifier pass through, once well and once not."""
    if not scene.case.name.startswith("NaoOAuth"):
        return
    client = await scene.client()
    assert isinstance(client, NaoClient)
    async with client:
        callback = scene.sandbox.approve(client.authorization_url())
        await scene.attempt("exchange", client.exchange(callback))
        await scene.attempt("exchange again", client.exchange(callback))
        code = f"code={PLANTED}"
        for forged in (f"https://app.example/?{code}&state={PLANTED}", PLANTED * 2000, f"{code}&{code}"):
            await scene.attempt("forged", client.exchange(forged))
        scene.sandbox.deny()
        await scene.attempt("denied", client.exchange(scene.sandbox.approve(client.authorization_url())))
        scene.sandbox.deny(None)
        scene.look(client)


async def broken_connections(scene: Scene) -> None:
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
        await scene.attempt("request, no server there", scene.status(client))
        await scene.attempt("check, no server there", client.check())  # type: ignore[attr-defined]  # as above
        await scene.attempt("renew, no server there", client.renew())
        await scene.sandbox.start()


@contextlib.asynccontextmanager
async def stranger(scene: Scene) -> AsyncGenerator[str]:
    """Run a server that is not the vendor, which keeps what it is sent; give its address."""

    async def answer(request: web.Request) -> web.Response:
        text = f"{request.raw_path} {request.raw_headers!r} {await request.read()!r}"
        scene.strangers.append(Received("stranger", "request", text))
        return web.Response(text="{}")

    async with serve(answer) as url:
        yield str(url.with_host("localhost"))


async def sent_away(scene: Scene) -> None:
    """Redirects to another host, and requests to one, take no secret along."""
    async with stranger(scene) as away, await scene.client() as client:
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


async def cookies(scene: Scene) -> None:
    """A session id that comes as a cookie with a token goes nowhere: not to the next token call, nor to a request."""
    async with await scene.client() as client:
        fault = Fault(headers={"Set-Cookie": f"sid={PLANTED}; Path=/"})
        scene.sandbox.faults.add(fault, endpoint=scene.case.signs_in or None)
        await scene.attempt("token, with a cookie", client.token())
        await scene.attempt("check, after a cookie", client.check())  # type: ignore[attr-defined]  # as above
        await scene.attempt("renew, after a cookie", client.renew())
        scene.sandbox.faults.clear()
        scene.look(client)


STEPS: tuple[Step, ...] = (
    good_day,
    consent,
    refused,
    cookies,
    broken_connections,
    sent_away,
    strange_answers,
)
FEWER: tuple[Step, ...] = (good_day, consent, refused)
"""For the vendors' other tempers: whatever answers strangely is read by the same code."""
