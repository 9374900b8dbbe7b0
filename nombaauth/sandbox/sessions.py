"""The sandbox's sessions: which tokens are valid, what ends them, what a refresh token is exchanged for."""

from __future__ import annotations

import secrets
from math import inf

import attrs

from nauth.clock import Clock
from nauth.testing import issued_tokens
from nauth.testing.jwt import compact, signed_jwt
from nombaauth.sandbox.data import Key
from nombaauth.sandbox.switches import Switches

__all__ = ["GRACE_S", "Pair", "Session", "Sessions"]

GRACE_S = 5.0
"""How long the first session lives on under `second_issue="kills_after_grace"`. The vendor states none."""

_ULID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID_LENGTH = 26
_CLAIMS_LENGTH = 256
"""Bytes of claims that make a token of 407 characters, like the one in the documents."""


@attrs.define(eq=False, kw_only=True)
class Session(issued_tokens.Session):
    """What one issue opened: refreshing continues it."""

    key: Key


@attrs.frozen
class Pair:
    """The tokens that an issue or refresh returns; `refresh` is None if the vendor leaves it out."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)
    expires_at: float


class Sessions(issued_tokens.IssuedTokens[Session]):
    """Keep sessions as the switches say."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        super().__init__(clock)
        self._switches = switches
        self._access_ttl_s = switches.access_ttl.total_seconds()
        self._refresh_ttl_s = inf if switches.refresh_ttl is None else switches.refresh_ttl.total_seconds()
        self._sessions: list[Session] = []

    def issue(self, key: Key) -> Pair:
        """Open a session and end those that may not exist beside it."""
        self._evict(key)
        session = Session(key=key)
        self._sessions.append(session)
        return self._pair(session, self._new_refresh(session))

    def rotate(self, token: str, refresh: issued_tokens.Refresh[Session]) -> Pair:
        """Give the session of a live refresh token a new access token, and maybe a new refresh token."""
        session = refresh.session
        if self._switches.refresh_kills_old_access == "yes":
            self.kill_accesses(session)
        match self._switches.refresh_rotation:
            case "same":
                return self._pair(session, token)
            case "omitted":
                return self._pair(session, None)
            case "empty":
                return self._pair(session, "")
            case rotation:
                refresh.spent = rotation == "new_old_dies"
                return self._pair(session, self._new_refresh(session))

    def revoke(self, access: issued_tokens.Access[Session]) -> None:
        """Kill one access token, and by switch what could buy the next one."""
        access.kill()
        if self._switches.revoke_scope == "access_and_refresh":
            access.session.refreshable = False

    def _evict(self, key: Key) -> None:
        switches, now = self._switches, self._clock.wall()
        self._sessions = [session for session in self._sessions if now < session.dies_at]
        if switches.session_scope == "none" or switches.second_issue == "keeps_first":
            return
        dies_at = now + (GRACE_S if switches.second_issue == "kills_after_grace" else 0.0)
        for session in self._sessions:
            same_scope = session.key is key or switches.session_scope == "account"
            if same_scope and session.key.foreign == key.foreign:
                session.dies_at = min(session.dies_at, dies_at)

    def _pair(self, session: Session, refresh: str | None) -> Pair:
        now = self._clock.wall()
        token = _jwt(session.key.credentials.account_id, now, now + self._access_ttl_s)
        access = self.add_access(token, session, self._access_ttl_s)
        return Pair(token, refresh, access.expires_at)

    def _new_refresh(self, session: Session) -> str:
        ulid = "".join(secrets.choice(_ULID_ALPHABET) for _ in range(_ULID_LENGTH))
        token = f"{ulid}{int(self._clock.wall() * 1000)}"
        self.add_refresh(token, session, self._refresh_ttl_s)
        return token


def _jwt(account_id: str, issued_s: float, expires_s: float) -> str:
    """Return an HS256 token of 407 characters that no two calls share."""
    claims: dict[str, object] = {
        "iss": "nomba-sandbox",
        "sub": account_id,
        "iat": int(issued_s),
        "exp": int(expires_s),
        "jti": secrets.token_hex(16),
        "pad": "",
    }
    claims["pad"] = "x" * (_CLAIMS_LENGTH - len(compact(claims)))
    return signed_jwt(claims)
