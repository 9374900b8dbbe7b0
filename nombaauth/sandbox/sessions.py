"""The sandbox's sessions: which tokens are valid, what ends them, what a refresh token is exchanged for."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from math import inf

import attrs

from nauth.clock import Clock
from nombaauth.sandbox.data import Key
from nombaauth.sandbox.switches import Switches

__all__ = ["GRACE_S", "Access", "Pair", "Refresh", "Session", "Sessions"]

GRACE_S = 5.0
"""How long the first session lives on under `second_issue="kills_after_grace"`. The vendor states none."""

_ULID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID_LENGTH = 26
_CLAIMS_LENGTH = 256
"""Bytes of claims that make a token of 407 characters, like the one in the documents."""
_SIGNING_KEY = b"the sandbox's own; nobody checks"


@attrs.define(eq=False)
class Session:
    """One session, opened by an issue and continued by refreshes."""

    key: Key
    dies_at: float = inf
    refreshable: bool = True
    accesses: list[Access] = attrs.field(factory=list["Access"], repr=False)


@attrs.define(eq=False)
class Access:
    """One access token: its session and expiry."""

    session: Session
    expires_at: float

    def live(self, now: float) -> bool:
        """Tell whether it is accepted at `now`."""
        return now < self.expires_at and now < self.session.dies_at

    def kill(self) -> None:
        """End it at once."""
        self.expires_at = -inf


@attrs.define(eq=False)
class Refresh:
    """One refresh token: its session, expiry, and whether it is spent."""

    session: Session
    expires_at: float
    spent: bool = False

    def live(self, now: float) -> bool:
        """Tell whether it can be exchanged at `now`."""
        alive = not self.spent and self.session.refreshable
        return alive and now < self.expires_at and now < self.session.dies_at


@attrs.frozen
class Pair:
    """The tokens that an issue or refresh returns; `refresh` is None if the vendor leaves it out."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)
    expires_at: float


class Sessions:
    """Keep the sessions; the switches decide how. All times are wall seconds: a vendor's server is never suspended."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.reuses: int = 0
        self._switches = switches
        self._clock = clock
        self._access_ttl_s = switches.access_ttl.total_seconds()
        self._refresh_ttl_s = inf if switches.refresh_ttl is None else switches.refresh_ttl.total_seconds()
        self._sessions: list[Session] = []
        self._accesses: dict[str, Access] = {}
        self._refreshes: dict[str, Refresh] = {}

    def access(self, token: str) -> Access | None:
        """Return what is known of an access token, ended ones included."""
        return self._accesses.get(token)

    def presented(self, token: str) -> Refresh | None:
        """Return what is known of a refresh token, ended ones included, and count a re-use if it is spent."""
        refresh = self._refreshes.get(token)
        if refresh is not None and refresh.spent:
            self.reuses += 1
        return refresh

    def live_tokens(self) -> int:
        """Count the access tokens that work now."""
        now = self._clock.wall()
        return sum(access.live(now) for access in self._accesses.values())

    def issue(self, key: Key) -> Pair:
        """Open a session and end those that may not exist beside it."""
        self._evict(key)
        session = Session(key)
        self._sessions.append(session)
        return self._pair(session, self._new_refresh(session))

    def rotate(self, token: str, refresh: Refresh) -> Pair:
        """Give the session of a live refresh token a new access token, and maybe a new refresh token."""
        session = refresh.session
        if self._switches.refresh_kills_old_access == "yes":
            for access in session.accesses:
                access.kill()
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

    def revoke(self, access: Access) -> None:
        """End one access token, and if the switches say so the session's refresh tokens."""
        access.kill()
        if self._switches.revoke_scope == "access_and_refresh":
            access.session.refreshable = False

    def kill_all(self, *, kill_refresh: bool) -> None:
        """End every access token, and with `kill_refresh` the refresh tokens too."""
        for access in self._accesses.values():
            access.kill()
        if kill_refresh:
            for session in self._sessions:
                session.refreshable = False

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
        access = Access(session, now + self._access_ttl_s)
        token = _jwt(session.key.credentials.account_id, now, access.expires_at)
        session.accesses.append(access)
        self._accesses[token] = access
        return Pair(token, refresh, access.expires_at)

    def _new_refresh(self, session: Session) -> str:
        now = self._clock.wall()
        ulid = "".join(secrets.choice(_ULID_ALPHABET) for _ in range(_ULID_LENGTH))
        token = f"{ulid}{int(now * 1000)}"
        self._refreshes[token] = Refresh(session, now + self._refresh_ttl_s)
        return token


def _jwt(account_id: str, issued_s: float, expires_s: float) -> str:
    """Return an HS256 token of 407 characters that no two calls share."""
    claims: dict[str, str | int] = {
        "iss": "nomba-sandbox",
        "sub": account_id,
        "iat": int(issued_s),
        "exp": int(expires_s),
        "jti": secrets.token_hex(16),
        "pad": "",
    }
    claims["pad"] = "x" * (_CLAIMS_LENGTH - len(_dumps(claims)))
    signed = f"{_JWT_HEADER}.{_b64(_dumps(claims))}"
    return f"{signed}.{_b64(hmac.digest(_SIGNING_KEY, signed.encode(), 'sha256'))}"


def _dumps(claims: dict[str, str | int]) -> bytes:
    return json.dumps(claims, separators=(",", ":")).encode()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_JWT_HEADER = _b64(_dumps({"alg": "HS256"}))
