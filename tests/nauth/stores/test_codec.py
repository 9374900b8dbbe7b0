"""A token as text: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import attrs
import pytest
from hypothesis import given, strategies

from nauth.errors import ConfigurationError, StoreError
from nauth.secret import Secret
from nauth.stores.codec import REFRESH_LIFETIME, decode_token, encode_token, lifetime_kept
from nauth.stores.memory import MemoryStore
from nauth.stores.redis.store import RedisStore
from nauth.stores.sqlite.store import SQLiteStore
from nauth.token import MAX_LIFETIME, Token

CANARY = "canary-5f1c"
FULL = Token(
    access_token=Secret(CANARY),
    refresh_token=Secret("r\u00e4 \U0001f600"),
    scheme="",
    expires_at=datetime(2026, 11, 22, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=1))),
    lifetime=timedelta(seconds=3600.000001),
    extra={"session": "s\n1", "": ""},
)

CONTROLS = [chr(code) for code in (*range(9), *range(10, 32), 127)]
sendable = strategies.characters(exclude_characters=CONTROLS)
tokens = strategies.builds(
    Token,
    access_token=strategies.text(
        strategies.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1
    ).map(Secret),
    refresh_token=strategies.none() | strategies.text().map(Secret),
    scheme=strategies.text(sendable),
    expires_at=strategies.none() | strategies.datetimes(timezones=strategies.just(UTC)),
    lifetime=strategies.none() | strategies.timedeltas(),
    extra=strategies.dictionaries(strategies.text(), strategies.text()),
)


@given(tokens)
def test_round_trip(token: Token) -> None:
    """Every token that can be sent survives."""
    assert decode_token(encode_token(token)) == token
    assert decode_token(encode_token(token).encode()) == token


def test_one_ascii_line() -> None:
    """The text is one line of ASCII: no engine's encoding can hurt it."""
    text = encode_token(FULL)
    assert text.isascii()
    assert "\n" not in text
    assert decode_token(text) == FULL


def _with(**changes: object) -> str:
    return json.dumps({**json.loads(encode_token(FULL)), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        f'"{CANARY}"',
        b"\xff" + CANARY.encode(),
        "{}",
        "[" * 100_000,
        _with(format=2),
        _with(access=""),
        _with(access=None),
        _with(access=[CANARY]),
        _with(refresh=1),
        _with(scheme=None),
        _with(lifetime_us=1.5),
        _with(lifetime_us=10**30),
        _with(expires_at="2026-11-22T03:04:05"),
        _with(expires_at=CANARY),
        _with(expires_at=5),
        _with(extra={"a": 1}),
        _with(extra=None),
        _with(extra=[CANARY]),
    ],
)
def test_anything_else(text: str | bytes) -> None:
    """Any other text is an error that says what to do and shows nothing of it."""
    with pytest.raises(StoreError, match="cannot be read") as caught:
        decode_token(text)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_name == "decode_token"]
    assert len(ours) == 1
    assert CANARY not in repr(ours[0].f_locals)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("member", ["access", "scheme"])
def test_a_header_of_two_lines(member: str, control: str) -> None:
    """A stored token that no header can hold, or that would put another header behind its own, is not handed out."""
    with pytest.raises(StoreError, match="cannot be read"):
        decode_token(_with(**{member: f"a{control}X: {CANARY}"}))


def test_retention() -> None:
    """A record is of use for its lifetime, and as long as a refresh token may live, which some vendors state."""
    hour, usual = timedelta(hours=1), REFRESH_LIFETIME
    token = attrs.evolve(FULL, lifetime=hour)
    assert lifetime_kept(token, usual) == usual == timedelta(days=90)
    assert lifetime_kept(token, hour / 2) == hour
    assert lifetime_kept(attrs.evolve(token, refresh_token=None), usual) == hour
    for endless in (None, timedelta.max):
        assert lifetime_kept(attrs.evolve(token, lifetime=endless), usual) == MAX_LIFETIME
    for name in ("refresh_token_expires_in", "refresh_expires_in"):
        for text, kept in (("864000", timedelta(days=10)), ("60", hour), ("0", usual), ("soon", usual)):
            assert lifetime_kept(attrs.evolve(token, extra={name: text}), usual) == kept
    both = {"refresh_token_expires_in": "864000", "refresh_expires_in": "0"}
    assert lifetime_kept(attrs.evolve(token, extra=both), usual) == timedelta(days=10)


@pytest.mark.parametrize("given", [timedelta(0), -timedelta(days=1), 90])
@pytest.mark.parametrize(
    "store", [MemoryStore, partial(SQLiteStore, "tokens.db"), partial(RedisStore, "redis://")]
)
def test_refresh_lifetimes_that_make_no_sense(store: Callable[..., object], given: object) -> None:
    """Each store that keeps records refuses a life of nothing, and what is no duration."""
    with pytest.raises(ConfigurationError, match="refresh_lifetime"):
        store(refresh_lifetime=given)


@pytest.mark.parametrize("text", ["a b", "a\tb", " a", "a ", "a\n", "a\u00a0b", "", "a\r\nX-Y: z"])
def test_an_access_token_with_white_space_is_no_token(text: str) -> None:
    """The rule is that of the vendors' answers: printable ASCII without white space. Nothing of the text is shown."""
    wire = json.loads(encode_token(Token(access_token=Secret("placeholder"))))
    with pytest.raises(StoreError) as refused:
        decode_token(json.dumps(wire | {"access": text}))
    assert "X-Y" not in str(refused.value)
