"""One probe a switch of Nomad Media's double: what it changes, as a value that can be compared."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from nauth.wire import jwt
from nomadauth import LoginStatus, Secret
from nomadauth.sandbox.data import APPLICATION_ID
from tests.support.vendors.callers.nomad import Caller

__all__ = [
    "Probe",
    "application",
    "auth_ping",
    "bad_login",
    "blocked",
    "body",
    "claims",
    "dead_token",
    "expiry",
    "life",
    "login_ids",
    "logout",
    "mount",
    "names",
    "public",
    "refresh_life",
    "refused",
    "renew",
    "renew_refused",
    "renew_rotation",
    "rotation",
    "second_login",
    "sso_encoding",
    "sso_expires",
    "sso_header",
    "sso_names",
    "static",
    "throttled",
]

Probe: TypeAlias = Callable[[Caller], Awaitable[object]]


async def login_ids(caller: Caller) -> object:
    given = caller.sandbox.credentials
    bodies = [
        {name: given.username, "password": given.password.reveal()}
        for name in ("userName", "username", "email")
    ]
    return [(await caller.call("POST", "/api/account/login", json=body)).status for body in bodies]


async def names(caller: Caller) -> object:
    return {name for name in (await caller.login()).body if "oken" in name or name.lower() == "id"}


async def expiry(caller: Caller) -> object:
    body = (await caller.login()).body
    return {name: body[name] for name in ("expirationSeconds", "expiresIn") if name in body}


async def life(caller: Caller) -> object:
    token, _ = await caller.pair()
    lives = [await caller.user(token)]
    for step in (2699, 2, 898, 2):
        caller.clock.advance(step)
        lives.append(await caller.user(token))
    return lives


async def claims(caller: Caller) -> object:
    return {"iat", "exp"} & set(jwt.claims(Secret((await caller.pair())[0])))


async def rotation(caller: Caller) -> object:
    token, refresh = await caller.pair()
    new = (await caller.refresh(refresh)).body.get("refreshToken")
    kind = None if new is None else new == refresh
    return (
        kind,
        (await caller.refresh(refresh)).status,
        await caller.user(token),
        caller.sandbox.refresh_reuses,
    )


async def refresh_life(caller: Caller) -> object:
    _, refresh = await caller.pair()
    caller.clock.advance(61)
    return (await caller.refresh(refresh)).status


async def refused(caller: Caller) -> object:
    answer = await caller.refresh("nobody's")
    return answer.status


async def bad_login(caller: Caller) -> object:
    answer = await caller.login(password="wrong")
    return answer.status, answer.headers["Content-Type"].partition(";")[0]


async def blocked(caller: Caller) -> object:
    answer = await caller.login(caller.sandbox.account(LoginStatus.IS_DISABLED))
    return answer.status, answer.body.get("loginStatus")


async def dead_token(caller: Caller) -> object:
    return await caller.user("nobody's")


async def body(caller: Caller) -> object:
    raw = (await caller.login(password="wrong")).raw
    return raw.decode() if not raw.startswith(b"{") else sorted(json.loads(raw))


async def public(caller: Caller) -> object:
    token, refresh = await caller.pair()
    return (await caller.login(token=token)).status, (await caller.refresh(refresh, token=token)).status


async def application(caller: Caller) -> object:
    return (await caller.login()).status, (await caller.login(applicationId=APPLICATION_ID)).status


async def second_login(caller: Caller) -> object:
    body = (await caller.login()).body
    caller.sandbox.take_over()
    ping = {"userSessionId": body["userSessionId"]}
    answer = await caller.call("POST", "/api/account/ping", token=body["token"], json=ping)
    return answer.body["pingStatus"] if answer.status == 200 else answer.status


async def logout(caller: Caller) -> object:
    body = (await caller.login()).body
    without = (await caller.call("POST", "/api/account/logout", token=body["token"], json={})).status
    named = {"userSessionId": body["userSessionId"]}
    again = (await caller.call("POST", "/api/account/logout", token=body["token"], json=named)).status
    return without, again, caller.sandbox.live_tokens, (await caller.refresh(body["refreshToken"])).status


async def auth_ping(caller: Caller) -> object:
    token, _ = await caller.pair()
    paths = [("GET", "/api/ping/auth"), ("POST", "/api/account/ping/auth")]
    return [(await caller.call(method, path, token=token)).status for method, path in paths]


async def mount(caller: Caller) -> object:
    sso = caller.sandbox.sso_base_url or f"{caller.sandbox.base_url}/api"
    found = (await caller.call("GET", f"{sso}/auth/azure/login")).status
    return (
        caller.sandbox.base_url.removeprefix("http://127.0.0.1:").lstrip("0123456789"),
        found,
        sso[-4:] == "/api",
    )


async def sso_names(caller: Caller) -> object:
    return sorted(caller.sign_on())


async def sso_expires(caller: Caller) -> object:
    return caller.sign_on().get("expires")


async def sso_encoding(caller: Caller) -> object:
    query = caller.sandbox.sign_on()
    return "%2B" in query, "+" in query


async def sso_header(caller: Caller) -> object:
    query = {"code": "sso-code-1", "state": "sso-state-1"}
    answer = await caller.call("GET", "/api/auth/azure/callback", params=query)
    return answer.status, [name for name in answer.names if name.lower() == "location"]


async def renew(caller: Caller) -> object:
    query = caller.sign_on()
    plain = (await caller.renew(query["azure_refresh_token"])).status
    return plain, (await caller.renew(query["azure_refresh_token"], token=query["azure_token"])).status


async def renew_refused(caller: Caller) -> object:
    _, refresh = await caller.pair()
    return (await caller.renew(refresh)).status  # a login's refresh token is none of a sign-on's


async def renew_rotation(caller: Caller) -> object:
    refresh = caller.sign_on()["azure_refresh_token"]
    new = (await caller.renew(refresh)).body.get("refreshToken")
    return None if new is None else new == refresh, (await caller.renew(refresh)).status


async def static(caller: Caller) -> object:
    token, key = caller.sandbox.static_token.token.reveal(), caller.sandbox.api_key.key.reveal()
    return [await caller.user(token), await caller.user(key, "ApiKey"), await caller.user("x", "ApiKey")]


async def throttled(caller: Caller) -> object:
    first = await caller.login()
    caller.clock.advance(0.25)
    second = await caller.login()
    caller.clock.advance(1.75)
    return first.status, "Retry-After" in first.headers, second.status, (await caller.login()).status
