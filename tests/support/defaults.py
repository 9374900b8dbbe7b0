"""The defaults that docs/reference/defaults.md lists, read from the code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import attrs

import naoauth.config
import nomadauth.config
import nombaauth.config
import noyoauth.config
from nauth import RenewalPolicy
from nauth.client import MAX_RESPONSE_BYTES
from nauth.manager import loop_state, store_access
from nauth.stores import codec
from nauth.stores.redis import store as redis_store
from nauth.stores.sqlite import files, thread
from nauth.transport import aiohttp as transport
from nauth.transport import attempt

__all__ = ["rows"]


def say(value: object) -> str:
    """Write a duration or a number as the page does."""
    if not isinstance(value, timedelta):
        return str(value)
    seconds = value.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def rows() -> Iterator[tuple[str, str]]:
    """Yield each row: what, and how much."""
    usual = RenewalPolicy()
    for name in attrs.fields_dict(RenewalPolicy):
        yield f"`RenewalPolicy.{name}`", say(getattr(usual, name))
    for title, policy in (
        ("Nomad Media", nomadauth.config.POLICY),
        ("Nomba", nombaauth.config.POLICY),
        ("Noyo", noyoauth.config.POLICY),
        ("NAO Cloud", naoauth.config.POLICY),
    ):
        yield f"{title}: `margin` + `jitter`", f"{say(policy.margin)} + {say(policy.jitter)}"
    yield "Nomad Media with `on_interaction`: `deadline`", say(nomadauth.config.INTERACTIVE_POLICY.deadline)
    yield "Nomba: lifetime, if the response states none", say(nombaauth.config.DEFAULT_LIFETIME)
    yield "Nomba: longest lifetime that is believed", say(nombaauth.config.MAX_TOKEN_LIFETIME)
    yield "a token call: to connect", say(transport._CONNECT)
    yield "a token call: in all", say(transport._TOTAL)
    yield "a token call: wait for a free connection", say(timedelta(seconds=attempt.QUEUE_S))
    yield "largest response that a typed call reads", f"{MAX_RESPONSE_BYTES:,} bytes"
    yield "closing waits for a renewal under way", say(loop_state.DRAIN)
    yield "a store's operation", say(store_access.STORE_DEADLINE)
    yield "a lease, beyond the renewal's `deadline`", say(store_access.LEASE_GRACE)
    yield "a waiting process looks at the store every", say(store_access.POLL)
    yield "`SQLiteStore`: waits for a locked file", say(timedelta(seconds=files.BUSY_S))
    yield "`SQLiteStore`: closing waits", say(timedelta(seconds=thread.CLOSE_S))
    yield "`RedisStore`: one answer of the server", say(redis_store._TIMEOUT)
    yield "stores keep a record with a refresh token", say(codec.REFRESH_LIFETIME)
