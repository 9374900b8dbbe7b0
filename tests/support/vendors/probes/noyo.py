"""One probe a switch of Noyo's double: what it changes, as a value that can be compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

from nauth.secret import Secret
from nauth.wire import jwt
from tests.support.vendors.callers.noyo import Caller

__all__ = [
    "Probe",
    "challenge",
    "concurrent",
    "crossed",
    "kind",
    "lifetime",
    "meta",
    "not_found",
    "outage",
    "redirect",
    "refused",
    "request_id",
    "rotated",
    "stated",
    "token_type",
    "unauthorized",
]

Probe: TypeAlias = Callable[[Caller], Awaitable[object]]


async def kind(noyo: Caller) -> object:
    """How many parts the token has, and which times it names."""
    token = await noyo.token()
    claims = jwt.claims(Secret(token))
    return token.count("."), [name for name in ("iat", "exp") if name in claims], bool(claims)


async def lifetime(noyo: Caller) -> object:
    """What the token says, and how long it opens anything."""
    token, lived = await noyo.token(), 0
    said = jwt.lifetime(Secret(token))
    while (await noyo.groups(token)).status == 200:
        step = 1 if lived < 2 else 66
        lived += step
        noyo.clock.advance(step)
    return said and said.total_seconds(), lived


async def stated(noyo: Caller) -> object:
    raw = (await noyo.issue()).raw.decode()
    return raw.partition('"expires_in": ')[2].partition(",")[0]


async def token_type(noyo: Caller) -> object:
    return (await noyo.issue()).body.get("token_type")


async def refused(noyo: Caller) -> object:
    wrong = attrs.evolve(noyo.sandbox.credentials, client_secret="wrong")
    strange = attrs.evolve(noyo.sandbox.credentials, client_id="strange")
    answers = [await noyo.issue(credentials) for credentials in (wrong, strange)]
    assert answers[0].raw == answers[1].raw
    return answers[0].status, answers[0].raw.decode()


async def unauthorized(noyo: Caller) -> object:
    """The same answer for a token that is missing, malformed or expired."""
    token = await noyo.token()
    noyo.clock.advance(600)
    answers = [await noyo.groups(bearer) for bearer in (token, token[:-3], None)]
    assert {answer.status for answer in answers} == {401}
    assert noyo.sandbox.unauthorized == 3
    assert len({answer.raw for answer in answers}) == 1
    return answers[0].raw.decode()


async def challenge(noyo: Caller) -> object:
    """For a malformed token, and for none."""
    return [(await noyo.groups(token)).headers.get("WWW-Authenticate") for token in ("x", None)]


async def crossed(noyo: Caller) -> object:
    token = await noyo.token(noyo.sandbox.other_environment)
    return (await noyo.groups(token)).status


async def concurrent(noyo: Caller) -> object:
    """Which of three tokens live, beside one of another key."""
    tokens = [await noyo.token() for _ in range(2)]
    tokens.append(await noyo.token(noyo.sandbox.second_credentials))
    noyo.sandbox.take_over()
    return [(await noyo.groups(token)).status == 200 for token in tokens], noyo.sandbox.live_tokens


async def rotated(noyo: Caller) -> object:
    """Whether the old token, the old key and the new key work."""
    old, token = noyo.sandbox.credentials, await noyo.token()
    beside = await noyo.token(noyo.sandbox.second_credentials)
    noyo.sandbox.rotate_key()
    assert (await noyo.groups(beside)).status == 200  # another key is another matter
    return [(await noyo.groups(token)).status, (await noyo.issue(old)).status, (await noyo.issue()).status]


async def not_found(noyo: Caller) -> object:
    answers = [
        await noyo.call("GET", "/nowhere"),
        await noyo.call("GET", "/api/v1/groups/0", token=await noyo.token()),
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].raw == answers[1].raw
    return answers[0].body


async def meta(noyo: Caller) -> object:
    noyo.sandbox.add_groups(11)
    return (await noyo.groups(await noyo.token(), "?page_size=5&offset=5")).body["meta"]


async def outage(noyo: Caller) -> object:
    """The first answer's status, wait and kind; the token call and the API each have a window of one second."""
    first, names = await noyo.issue(), ("Retry-After", "Content-Type")
    if first.status != 200:
        noyo.clock.advance(0.5)
        again = await noyo.issue()
        assert again.status == first.status
        noyo.clock.advance(0.5)
    token = await noyo.token()
    second = await noyo.groups(token)
    assert second.status == first.status
    noyo.clock.advance(1)
    assert (await noyo.groups(token)).status == 200
    noyo.sandbox.begin_outage()
    assert (await noyo.groups(token)).status == first.status
    return first.status, *(first.headers.get(name) for name in names)


async def request_id(noyo: Caller) -> object:
    answers = [await noyo.issue(), await noyo.groups("x"), await noyo.call("GET", "/ping")]
    return [
        (answer.headers.get("X-Request-Id"), answer.headers.get("X-Cloud-Trace-Context"))
        for answer in answers
    ]


async def redirect(noyo: Caller) -> object:
    answer = await noyo.issue()
    location = answer.headers.get("Location")
    if location is None:
        return answer.status
    target = urlsplit(location)
    assert (target.port, target.path) == (
        urlsplit(noyo.sandbox.base_url).port,
        "/auth/public/token/elsewhere",
    )
    assert (await noyo.call("POST", target.path)).status == 200
    return answer.status, target.hostname
