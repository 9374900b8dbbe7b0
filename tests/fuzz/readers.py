"""Every reader of text from outside, as a function of bytes: for hypothesis here, for atheris beside.

A reader takes any bytes, hands them to nauth in the form they would have, and checks what comes back. It may raise a
`NauthError` where the function says so; anything else that leaves it is a bug.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from multidict import CIMultiDict
from yarl import URL

from naoauth import NaoOAuth, NaoOAuthAuthenticator
from naoauth.client import _settings as nao_settings
from naoauth.config import choose_base_url as nao_base_url
from naoauth.session_response import open_session
from nauth.errors import MalformedResponseError, NauthError
from nauth.oauth2.callback import Callback
from nauth.oauth2.endpoint import _form
from nauth.oauth2.errors import Operation
from nauth.oauth2.token_response import read_token
from nauth.oauth2.urls import endpoint_url, with_parameters
from nauth.origins import origin_key, parse_base_url, resolve
from nauth.secret import Secret
from nauth.stores.aes_gcm import Keyring, _bound
from nauth.stores.base import StoreKey
from nauth.stores.codec import decode_token, encode_token
from nauth.time_formats import MAX_LIFETIME, RETRY_AFTER_CAP, bounded_seconds, parse_instant
from nauth.token import Token
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from nauth.wire import jwt
from nauth.wire.converter import decode
from nauth.wire.json_text import parse_json
from nomadauth import NomadSSO
from nomadauth.client import _settings as nomad_settings
from nomadauth.config import choose_base_url as nomad_base_url
from nomadauth.converter import CONVERTER as NOMAD
from nomadauth.lifetime import sso_expiry
from nomadauth.lifetime import token_lifetime as lifetime_of
from nomadauth.models import AccountLoginResponse
from nomadauth.sso import parse_callback
from nombaauth.authenticator import _token as nomba_token
from nombaauth.client import _settings as nomba_settings
from nombaauth.config import choose_base_url as nomba_base_url
from nombaauth.errors import Endpoint
from nombaauth.models import TokenData
from nombaauth.responses import read_response, window_hint
from noyoauth.client import _settings as noyo_settings
from noyoauth.config import choose_base_url as noyo_base_url
from noyoauth.config import choose_token_url
from noyoauth.converter import CONVERTER as NOYO
from noyoauth.lifetime import LifetimeRules, stated_lifetime, token_lifetime
from noyoauth.models import AnswerMeta, TokenAnswer
from noyoauth.responses import challenge_error, error_body
from tests.support.transport import FakeTransport

__all__ = ["READERS", "SEPARATOR", "VARIABLES", "read"]

SEPARATOR = b"\x1f"
"""Between the parts of an input that has several; it is no character of any of them."""

VARIABLES = (
    "NOMAD_MEDIA_USERNAME", "NOMAD_MEDIA_PASSWORD", "NOMAD_MEDIA_APPLICATION_ID", "NOMAD_MEDIA_STATIC_TOKEN",
    "NOMAD_MEDIA_API_KEY", "NOMAD_MEDIA_BASE_URL", "NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY",
    "NOMBA_ACCOUNT_ID", "NOMBA_ENVIRONMENT", "NOMBA_BASE_URL", "NOYO_CLIENT_ID", "NOYO_CLIENT_SECRET",
    "NOYO_ENVIRONMENT", "NOYO_BASE_URL", "NOYO_TOKEN_URL", "NAO_AUTH_TOKEN", "NAO_EMAIL", "NAO_PASSWORD",
    "NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI", "NAO_BASE_URL",
)  # fmt: skip

_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_WALL = _NOW.timestamp()
_NOTHING = timedelta(0)
_URL = URL("https://api.example.com/v1")
_KEY = StoreKey(vendor="fuzz", base_url="https://api.example.com", identity="i")
_RAW_KEY = bytes(range(32))
_RING = Keyring({"k1": Secret(base64.b64encode(_RAW_KEY).decode())})
_RULES = LifetimeRules()
_NO_TRANSPORT = FakeTransport()


@lru_cache(maxsize=4)  # a mebibyte of surrogates takes Python a tenth of a second, and most readers want it
def _text(data: bytes) -> str:
    """Return text with everything in it that a Python string can hold, lone surrogates included."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _parts(data: bytes, number: int) -> list[bytes]:
    found = data.split(SEPARATOR, number - 1)
    return found + [b""] * (number - len(found))


def _answer(data: bytes, *, status: int = 200) -> Answer:
    """Make an answer of a Date header and a body."""
    date, body = _parts(data, 2) if SEPARATOR in data else (b"", data)
    return Answer(
        status=status, headers=CIMultiDict({"Date": _text(date)}), body=body, sent_wall=_WALL, sent_mono=0.0
    )


def _json(data: bytes) -> object:
    """Return the value if it is JSON, else the text: what stands in a member is either."""
    try:
        return parse_json(data)
    except MalformedResponseError:
        return _text(data)


def _lives(span: timedelta | None, cap: timedelta = MAX_LIFETIME) -> None:
    assert span is None or _NOTHING < span <= cap


def _usable(token: Token) -> None:
    assert token.authorization.isascii()
    assert token.authorization.isprintable()
    _lives(token.lifetime)


def _callback(data: bytes) -> None:
    """The return from an authorization server; the code in it is put into a form, as for the exchange."""
    made = NaoOAuthAuthenticator(
        NaoOAuth("i", "s", "https://app.example/cb"), base_url=_URL, transport=_NO_TRANSPORT
    )
    made.authorization_url()
    try:
        made._flow.accept(_text(data))
    except NauthError:
        pass
    else:
        raise AssertionError("a callback without the right state was accepted")
    found = Callback.parse(Secret(_text(data)))
    found.state()
    body = _form({"code": found.code(name="The server")})
    assert body.startswith(b"code=")


def _sso(data: bytes) -> None:
    for provider in ("azure", None):
        with contextlib.suppress(NauthError):
            assert NomadSSO.from_callback(_text(data), provider=provider).token
            assert parse_callback(_text(data), provider=provider, now=_NOW).token
    assert parse_callback(_text(data), now=_NOW).token


def _retry_after(data: bytes) -> None:
    """Never raises: a header that cannot be read is none."""
    status, header, date, window = _parts(data, 4)
    headers = {"Retry-After": _text(header), "date": _text(date), "X-Rate-Limit-Window": _text(window)}
    answer = Answer(
        status=429 if not status else 503, headers=CIMultiDict(headers), sent_wall=_WALL, sent_mono=0.0
    )
    wait = wait_of(answer, window_hint)
    assert wait is None or _NOTHING <= wait <= RETRY_AFTER_CAP


def _instants(data: bytes) -> None:
    """An instant in a member: read, or the ValueError that the function promises."""
    value = _json(data)
    _lives(bounded_seconds(value))
    for naive, epoch in ((False, False), (True, True)):
        try:
            found = parse_instant(value, naive_is_utc=naive, epoch=epoch)
        except ValueError:
            continue
        assert found.tzinfo is UTC


def _nao(data: bytes) -> None:
    session = open_session(_answer(data), _URL, expires_key="Ends", jwt_key="theToken")
    _lives(session.lifetime)


def _noyo(data: bytes) -> None:
    answer = _answer(data)
    assert error_body(answer.body).raw == answer.body
    challenge = Answer(
        status=401, headers=CIMultiDict({"WWW-Authenticate": _text(data)}), sent_wall=0, sent_mono=0
    )
    assert challenge_error(challenge.headers) is None or challenge_error(challenge.headers)
    value = _json(answer.body)
    _lives(stated_lifetime(value, "auto"))
    _lives(stated_lifetime(value, "ms"))
    _lives(stated_lifetime(value, "s"))
    meta = AnswerMeta(status=200, date=answer.headers["Date"], sent_wall_s=_WALL)
    _lives(token_lifetime(decode(NOYO, parse_json(answer.body), TokenAnswer), meta, _RULES))


def _nomad(data: bytes) -> None:
    sso_expiry(_json(data), now=_NOW)
    read = decode(NOMAD, parse_json(data), AccountLoginResponse)
    _lives(lifetime_of(read, read.token or Secret("opaque"), sent_wall_s=_WALL))


def _nomba(data: bytes) -> None:
    _usable(nomba_token(read_response(_answer(data), Endpoint.ISSUE, TokenData), Endpoint.ISSUE))


def _oauth2(data: bytes) -> None:
    status, rest = _parts(data, 2)
    known = {b"400": 400, b"401": 401, b"429": 429, b"503": 503}
    answer = _answer(rest if status in known else data, status=known.get(status, 200))
    _usable(read_token(answer, Operation.REFRESH_TOKEN, name="The server"))


def _jwt(data: bytes) -> None:
    """Never raises: as a token of its own, and as the payload of one."""
    payload = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for token in (Secret(_text(data)), Secret(f"e30.{payload}.c2ln")):
        jwt.claims(token)
        jwt.expiry(token)
        _lives(jwt.lifetime(token))


def _environment(data: bytes) -> None:
    """Every client's settings; complains at the end, so that all of them are tried."""
    values = _text(data).split(SEPARATOR.decode())
    environ: dict[str, str] = dict(zip(VARIABLES, values, strict=False))
    complaints: list[NauthError] = []
    for settings in (_nomad_identity, _nomba_identity, _noyo_identity, _nao_identity):
        try:
            settings(environ)
        except NauthError as error:
            complaints.append(error)
    if complaints:
        raise max(complaints, key=lambda error: len(str(error)))


def _nomad_identity(environ: Mapping[str, str]) -> None:
    nomad_settings(None, environ=environ)[0].identity()


def _nomba_identity(environ: Mapping[str, str]) -> None:
    nomba_settings(None, None, None, environ)[0].identity()


def _noyo_identity(environ: Mapping[str, str]) -> None:
    noyo_settings(None, None, None, None, environ=environ).key()


def _nao_identity(environ: Mapping[str, str]) -> None:
    nao_settings(None, None, None, environ)[0].identity()


def _base_url(data: bytes) -> None:
    """Each vendor's choice, then the general ones, of which the last decides what is raised."""
    text = _text(data)
    for choose in (nao_base_url, nomba_base_url, noyo_base_url):
        try:
            choose(None, text)
        except NauthError:
            continue
    for other in (nomad_base_url, _token_url, _authorization_url):
        try:
            other(text)
        except NauthError:
            continue
    url = parse_base_url(text, setting="base_url")
    assert url.scheme in {"http", "https"}
    assert url.host
    assert URL(str(url)).scheme == url.scheme


def _token_url(value: object) -> None:
    choose_token_url(value, None)


def _authorization_url(value: object) -> None:
    with_parameters(endpoint_url(value, setting="authorization_url"), {"state": str(value)})


def _target(data: bytes) -> None:
    """The address of a request: below the base, of an allowed origin, or refused."""
    allowed = frozenset({origin_key(_URL)})
    assert origin_key(resolve(_URL, _text(data), allowed=allowed)) in allowed


def _record(data: bytes) -> None:
    """What was read can be written, and is the same; no header ends in the middle of it."""
    token = decode_token(data)
    assert not set("\r\n\0") & set(token.authorization)
    assert decode_token(encode_token(token)) == token


def _sealed(data: bytes) -> None:
    """As the sealed text itself, and as what is inside a seal that is good."""
    nonce = bytes(12)
    blob = nonce + AESGCM(_RAW_KEY).encrypt(nonce, data, _bound(_KEY, "k1"))
    good = base64.urlsafe_b64encode(blob).decode().rstrip("=")
    with contextlib.suppress(NauthError):
        _RING.open(_KEY, Token(access_token=Secret(_text(data) or " "), scheme=""))
    _RING.open(_KEY, Token(access_token=Secret(f"nauth1.k1.{good}"), scheme=""))


READERS: Mapping[str, Callable[[bytes], None]] = {
    "base-url": _base_url,
    "callback": _callback,
    "environment": _environment,
    "instants": _instants,
    "jwt": _jwt,
    "nao": _nao,
    "nomad": _nomad,
    "nomba": _nomba,
    "noyo": _noyo,
    "oauth2": _oauth2,
    "record": _record,
    "retry-after": _retry_after,
    "sealed": _sealed,
    "sso": _sso,
    "target": _target,
}


def read(name: str, data: bytes) -> str:
    """Run one reader; return what a log would show of its error, or nothing."""
    try:
        READERS[name](data)
    except NauthError as error:
        return f"{error} {error!r} {vars(error)}"
    return ""
