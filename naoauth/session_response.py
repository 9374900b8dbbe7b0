"""Find JWT and expiry in the response of the sessions endpoint, whose member names are not documented.

The page says that ``meta`` holds the JWT and its expiry date, and that the response may also hold the account's
`auth_token`. That is a permanent credential and is not taken for the JWT. Source:
https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

from yarl import URL

from naoauth.converter import snake
from naoauth.errors import Endpoint, NaoMalformedResponseError
from naoauth.lifetime import token_lifetime
from naoauth.models import Session
from naoauth.responses import declined
from nauth.errors import MalformedResponseError
from nauth.redact import clean
from nauth.secret import Secret
from nauth.transport.base import Answer
from nauth.wire.converter import parse_json
from nauth.wire.json_text import malformed
from nauth.wire.jwt import expiry

__all__ = ["JWT_NAMES", "open_session"]

JWT_NAMES = (
    "jwt",
    "token",
    "jwt_token",
    "json_web_token",
    "access_token",
    "id_token",
    "authentication_token",
    "session_token",
    "bearer",
)
"""Looked for in this order, in snake or camel case."""

_KEY_NAMES = frozenset({"auth_token", "api_key"})
"""Possible names of the permanent key. A member with such a name is the JWT only where nothing else is, and it has an
end."""

_WHAT = "NAO Cloud's answer to opening a session"
_BEARER = re.compile(r"bearer\s+", re.ASCII | re.IGNORECASE)
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_SHOWN = 20

_Json = Mapping[str, object]


def open_session(
    answer: Answer,
    url: URL,
    *,
    jwt_key: str | None = None,
    expires_key: str | None = None,
    sent: tuple[Secret | None, ...] = (),
) -> Session:
    """Return the content of a success, or raise the error for a failure.

    Args:
        answer: as received.
        url: the URL requested, for errors.
        jwt_key: the JWT's member in ``meta``, tried before the known names.
        expires_key: the expiry's member, tried before the known names.
        sent: the secrets of the request, which are never taken for the JWT and never quoted.

    Raises:
        NaoError: refused; see `naoauth.errors`.
        NaoMalformedResponseError: a success without a JWT. Lists the names of the members seen, and no values.
    """
    if not answer.ok:
        raise declined(answer, Endpoint.SESSIONS, url, *sent)
    session = _read(answer, jwt_key, expires_key, sent)
    if session is None:
        raise _nothing_found(answer)
    return session


def _read(
    answer: Answer, jwt_key: str | None, expires_key: str | None, sent: tuple[Secret | None, ...]
) -> Session | None:
    """Return the session, or None. The caller raises: an error raised here would keep the response in its frame."""
    levels = _levels(answer)
    key = _auth_token(answer.body)
    jwt = _find(levels, jwt_key, answer, sent, key)
    if jwt is None:
        return None
    if key == jwt:
        key = None  # the member that is named like the key holds the JWT
    return Session(
        jwt=jwt,
        lifetime=token_lifetime(jwt, levels, expires_key, answer),
        sent_wall_s=answer.sent_wall,
        auth_token=key,
    )


def _levels(answer: Answer) -> list[_Json]:
    """Return ``meta`` and the objects directly in it, names in snake case; empty if there is no ``meta``."""
    document = parse_json(
        answer.body,
        error=NaoMalformedResponseError,
        status=answer.status,
        request_id=answer.request_id,
        what=_WHAT,
    )
    meta = _object(_object(document).get("meta"))
    inner = [_object(value) for name, value in meta.items() if snake(name) not in _KEY_NAMES]
    return [{snake(name): value for name, value in level.items()} for level in (meta, *inner) if level]


def _find(
    levels: list[_Json],
    jwt_key: str | None,
    answer: Answer,
    sent: tuple[Secret | None, ...],
    key: Secret | None,
) -> Secret | None:
    """Return the JWT: what the caller names; else by a known name, by its shape, in the header, or under the key's name.

    The page says that ``meta`` holds the JWT. A permanent key has no end, so a value with one may be the JWT even where
    it is equal to the key or named like it.
    """
    own = _named(levels, (snake(jwt_key),), sent) if jwt_key else None
    if own is not None:
        return own
    never = sent if key is None or expiry(key) is not None else (*sent, key)
    known = _named(levels, JWT_NAMES, never)
    if known is not None:
        return known
    shaped = {
        found
        for level in levels
        for name, value in level.items()
        if name not in _KEY_NAMES and (found := _token(value, never)) is not None and _is_jws(found)
    }
    if len(shaped) == 1:
        return shaped.pop()
    return _token(answer.headers.get("Authorization"), never) or _under_the_key_s_name(levels, sent)


def _named(levels: list[_Json], names: tuple[str, ...], never: tuple[Secret | None, ...]) -> Secret | None:
    for level in levels:
        for name in names:
            found = _token(level.get(name), never)
            if found is not None:
                return found
    return None


def _under_the_key_s_name(levels: list[_Json], sent: tuple[Secret | None, ...]) -> Secret | None:
    """Return the one JWS that has an end and stands in a member named like the key, or by a known name inside it."""
    members = [value for level in levels for name, value in level.items() if name in _KEY_NAMES]
    inner = [{snake(name): part for name, part in _object(value).items()} for value in members]
    texts = [*members, *(level[name] for level in inner for name in JWT_NAMES if name in level)]
    found = {
        jwt
        for text in texts
        if (jwt := _token(text, sent)) is not None and _is_jws(jwt) and expiry(jwt) is not None
    }
    return found.pop() if len(found) == 1 else None


def _token(value: object, never: tuple[Secret | None, ...]) -> Secret | None:
    """Return `value` as a token if it could be one: text that a header can hold, and none of `never`."""
    if not isinstance(value, str):
        return None
    bare = Secret(_BEARER.sub("", value.strip(), count=1))
    return bare if bare.sendable and bare not in never else None


def _is_jws(token: Secret) -> bool:
    if not _JWS.fullmatch(token.reveal()):
        return False
    try:
        header = parse_json(_decoded(token.reveal().partition(".")[0]))
    except (MalformedResponseError, ValueError):
        return False
    return "alg" in _object(header)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _auth_token(body: bytes) -> Secret | None:
    """Return the permanent key from any of its possible places, so that it is not taken for the JWT."""
    document = _object(parse_json(body))
    data = _object(document.get("data"))
    for place in (_object(data.get("attributes")), data, document, _object(document.get("meta"))):
        value = next((value for name, value in place.items() if snake(name) == "auth_token"), None)
        if isinstance(value, str) and value.strip():
            return Secret(value.strip())
    return None


def _object(value: object) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}


def _nothing_found(answer: Answer) -> MalformedResponseError:
    names = sorted(_names(answer.body))
    problem = (
        "$.meta: expected the JWT under one of its known names; the members seen are "
        f"{json.dumps(names[:_SHOWN])}. If one of them is the JWT, say NaoSession(jwt_key=...), and expires_key=... for "
        "its expiry"
    )
    return malformed(
        (problem,),
        error=NaoMalformedResponseError,
        status=answer.status,
        request_id=answer.request_id,
        what=_WHAT,
    )


def _names(body: bytes) -> Iterator[str]:
    document = _object(parse_json(body))
    meta = _object(document.get("meta"))
    for prefix, level in (
        ("", document),
        ("meta.", meta),
        *((f"meta.{clean(n)}.", _object(v)) for n, v in meta.items()),
    ):
        yield from (f"{prefix}{clean(name) or '?'}" for name in level)
