"""What `RedisStore` asks the server, as Lua scripts: each is atomic, and may be repeated without harm.

They use nothing newer than Redis 7.0. Numbers above 2**31 travel as text: Lua would write them as ``1.7e+15``, though
it counts them exactly (microseconds since the epoch stay below 2**53 for two centuries).
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

import attrs

from nauth.stores.base import Record, StoreKey
from nauth.stores.codec import decode_token
from nauth.stores.record_info import RecordInfo

__all__ = [
    "COMMIT",
    "DESCRIBE",
    "DISCARD",
    "EXTEND",
    "LEASE",
    "LOAD",
    "PEEK",
    "RELEASE",
    "Loaded",
    "Peeked",
    "Script",
    "allowed",
    "described",
    "discarded",
    "loaded",
    "peeked",
    "stamped",
]

Stamp: TypeAlias = "tuple[int, timedelta] | str"


@attrs.frozen
class Script:
    """A script and the digest by which a server that has seen it knows it.

    Attributes:
        text: the script.
        kept: whether it is sent even if the caller is cancelled while it waits for its turn.
        last: whether it waits behind those that are not.
        sha: the digest.
    """

    text: str
    kept: bool = False
    last: bool = False
    sha: str = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest(), takes_self=True
        ),
    )


_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function whole(number) return string.format('%.0f', number) end
"""

# KEYS: record, lease. ARGV starts with the channel and the digest that its messages name.
_TELL = """
local function tell(what) redis.call('PUBLISH', ARGV[1], what .. ' ' .. ARGV[2]) end
"""

LOAD = Script(
    _NOW
    + """
local record = redis.call('HMGET', KEYS[1], 'ver', 'asked_us', 'token')
if not (record[1] or record[2] or record[3]) then return false end
local ver, asked = tonumber(record[1]), tonumber(record[2])
if not (ver and asked and record[3]) then return {} end
return {whole(ver), whole(now - asked), whole(now - ver), record[3]}
"""
)
"""-> version, age and time since the commit in microseconds, token; nothing; or an empty list if unreadable."""

DESCRIBE = Script(
    _NOW
    + """
local record = redis.call('HMGET', KEYS[1], 'asked_us', 'token', 'name')
local asked = tonumber(record[1])
if not (asked and record[2] and record[3]) then return false end
return {whole(now - asked), record[2], record[3], redis.call('PTTL', KEYS[2])}
"""
)
"""-> age in microseconds, token, name of the token as JSON, what is left of the lease in milliseconds (negative: it is
free); nothing where there is no such record, or where a release of nauth that wrote no names has written it."""

PEEK = Script(
    """
return {redis.call('PTTL', KEYS[2]), redis.call('HGET', KEYS[1], 'ver') or ''}
"""
)
"""-> what is left of the lease in milliseconds (negative: it is free), the record's version as text."""

LEASE = Script(
    """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1
""",
    last=True,
)
"""ARGV: owner, milliseconds."""

EXTEND = Script(
    """
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[3] and holder ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1
"""
)
"""ARGV: new owner, milliseconds, old owner: the old lease is spent, and a repetition finds the new one."""

RELEASE = Script(
    _TELL
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[2])
tell('released')
return 1
""",
    kept=True,
)
"""ARGV: owner."""

COMMIT = Script(
    _NOW
    + _TELL
    + """
local record = redis.call('HMGET', KEYS[1], 'ver', 'commit', 'asked_us')
if record[2] == ARGV[4] then return {record[1], whole(now - record[3])} end
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 'lease' end
if (record[1] or '0') ~= ARGV[5] then return 'version' end
local ver = math.max((tonumber(record[1]) or 0) + 1, now)
redis.call('HSET', KEYS[1], 'ver', whole(ver), 'commit', ARGV[4], 'asked_us', whole(now - ARGV[6]),
    'access_sha', ARGV[8], 'name', ARGV[9], 'token', ARGV[10])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('DEL', KEYS[2])
tell('committed')
return {whole(ver), ARGV[6]}
""",
    kept=True,
)
"""ARGV: owner, this commit's own name (a repetition finds it and changes nothing), expected version, age in
microseconds, milliseconds to keep, digest of the access token, name of the token as JSON, token. -> version and age; or the condition that failed: "lease" or "version"."""

DISCARD = Script(
    _TELL
    + """
local digest = redis.call('HGET', KEYS[1], 'access_sha')
if not digest then return -1 end
if digest ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[1])
tell('discarded')
return 1
""",
    kept=True,
)
"""ARGV: digest of the access token."""


class Loaded(NamedTuple):
    """A record, and how long ago it was committed by the server's clock."""

    record: Record
    since: timedelta


class Peeked(NamedTuple):
    """What is left of the lease in seconds, zero if it is free, and the record's version as text."""

    lease_s: float
    version: str


# The readers of answers. Text comes as bytes or str, as the client was told. `repeated`: the answer to a first sending
# was lost. ValueError and the like: the answer is not one of ours.


def loaded(answer: Any, repeated: bool) -> Loaded | None:  # noqa: ARG001 - readers have one shape
    """Read the answer of `LOAD`.

    Raises:
        StoreError, ValueError: the record is not one of ours.
    """
    if answer is None:
        return None
    version, age_us, since_us, text = answer
    record = Record(token=decode_token(text), version=int(version), age=_microseconds(age_us))
    return Loaded(record, _microseconds(since_us))


def described(answer: Any, repeated: bool) -> RecordInfo | None:  # noqa: ARG001 - readers have one shape
    """Read the answer of `DESCRIBE`.

    Raises:
        StoreError, ValueError: the record is not one of ours.
    """
    if answer is None:
        return None
    age_us, text, name, left_ms = answer
    vendor, base_url, identity = json.loads(name)
    key = StoreKey(vendor=vendor, base_url=base_url, identity=identity)
    record = Record(token=decode_token(text), version=0, age=_microseconds(age_us))
    return RecordInfo.of(key, record, leased=int(left_ms) > 0)


def peeked(answer: Any, repeated: bool) -> Peeked:  # noqa: ARG001 - readers have one shape
    """Read the answer of `PEEK`."""
    left_ms, version = answer
    return Peeked(max(int(left_ms), 0) / 1000, _text(version))


def allowed(answer: Any, repeated: bool) -> bool:  # noqa: ARG001 - readers have one shape
    """Read a yes or no."""
    return int(answer) == 1


def discarded(answer: Any, repeated: bool) -> bool:
    """Read the answer of `DISCARD`; a repetition that finds no record takes it for its own work."""
    return int(answer) == 1 or (repeated and int(answer) == -1)


def stamped(answer: Any, repeated: bool) -> Stamp:  # noqa: ARG001 - readers have one shape
    """Read the answer of `COMMIT`: version and age, or ``"lease"`` or ``"version"``."""
    if isinstance(answer, str | bytes):
        return _text(answer)
    version, age_us = answer
    return int(version), _microseconds(age_us)


def _microseconds(text: str | bytes) -> timedelta:
    # a clock that was set back must not make a token younger than new
    return timedelta(microseconds=max(int(text), 0))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
