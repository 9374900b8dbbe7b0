"""The sandbox's tokens: which are valid, and what ends them."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from math import inf

import attrs

from nauth.clock import Clock
from noyoauth.sandbox.data import Key
from noyoauth.sandbox.switches import Switches

__all__ = ["Access", "Sessions"]

_SIGNING_KEY = b"the sandbox's own; nobody checks"


@attrs.define(eq=False)
class Access:
    """One access token: its key and expiry."""

    key: Key
    expires_at: float

    def live(self, now: float) -> bool:
        """Tell whether it is accepted at `now`."""
        return now < self.expires_at

    def kill(self) -> None:
        """End it at once."""
        self.expires_at = -inf


class Sessions:
    """Keep the tokens; the switches decide how. All times are wall seconds: a vendor's server is never suspended."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._switches = switches
        self._clock = clock
        self._lifetime_s = switches.real_lifetime.total_seconds()
        self._accesses: dict[str, Access] = {}

    def access(self, token: str) -> Access | None:
        """Return what is known of a token, ended ones included."""
        return self._accesses.get(token)

    def live_tokens(self) -> int:
        """Count the tokens that work now."""
        now = self._clock.wall()
        return sum(access.live(now) for access in self._accesses.values())

    def issue(self, key: Key) -> str:
        """Issue a token and end those that may not exist beside it."""
        now, limit = self._clock.wall(), self._switches.concurrent_tokens
        if limit is not None:
            mine = [access for access in self._accesses.values() if access.key is key and access.live(now)]
            for access in mine[: len(mine) - limit + 1]:
                access.kill()
        token = self._written(now)
        self._accesses[token] = Access(key, now + self._lifetime_s)
        return token

    def kill_all(self, key: Key | None = None) -> None:
        """End every token, or those of one key."""
        for access in self._accesses.values():
            if key is None or access.key is key:
                access.kill()

    def _written(self, now: float) -> str:
        """Return a new token in the form that the switches say."""
        kind = self._switches.token_kind
        if kind == "opaque":
            return secrets.token_urlsafe(48)
        claims: dict[str, object] = {"iss": "noyo-sandbox", "jti": secrets.token_hex(16)}
        end_s = int(now) + self._lifetime_s
        if kind == "jwt_iat_exp":
            claims["iat"] = int(now)
        if kind in {"jwt_iat_exp", "jwt_exp_only"}:
            claims["exp"] = int(end_s) if end_s.is_integer() else end_s
        payload = _dumps(claims)
        signed = f"{_JWT_HEADER}.{_b64(payload[:-1] if kind == 'jwt_bad_payload' else payload)}"
        return f"{signed}.{_b64(hmac.digest(_SIGNING_KEY, signed.encode(), 'sha256'))}"


def _dumps(claims: Mapping[str, object]) -> bytes:
    return json.dumps(claims, separators=(",", ":")).encode()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_JWT_HEADER = _b64(_dumps({"alg": "HS256", "typ": "JWT"}))
