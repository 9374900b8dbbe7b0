"""The sandbox's tokens: which are valid, and what ends them."""

from __future__ import annotations

import secrets

import attrs

from nauth.clock import Clock
from nauth.testing import issued_tokens
from nauth.testing.jwt import compact, signed_jwt
from noyoauth.sandbox.data import Key
from noyoauth.sandbox.switches import Switches

__all__ = ["Session", "Sessions"]


@attrs.define(eq=False, kw_only=True)
class Session(issued_tokens.Session):
    """What one token call opened: one token, as there are no refresh tokens."""

    key: Key


class Sessions(issued_tokens.IssuedTokens[Session]):
    """Keep tokens as the switches say."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        super().__init__(clock)
        self._switches = switches
        self._lifetime_s = switches.real_lifetime.total_seconds()

    def issue(self, key: Key) -> str:
        """Issue a token and end those that may not exist beside it."""
        now, limit = self._clock.wall(), self._switches.concurrent_tokens
        if limit is not None:
            mine = [
                access for access in self._accesses.values() if access.session.key is key and access.live(now)
            ]
            for access in mine[: len(mine) - limit + 1]:
                access.kill()
        token = self._written(now)
        self.add_access(token, Session(key=key), self._lifetime_s)
        return token

    def kill_key(self, key: Key) -> None:
        """Kill every token of one key."""
        for access in self._accesses.values():
            if access.session.key is key:
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
        payload = compact(claims)
        return signed_jwt(payload[:-1] if kind == "jwt_bad_payload" else payload, typ="JWT")
