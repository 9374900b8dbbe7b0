"""The sandbox's sessions: which tokens are valid, what ends them, what a refresh token is exchanged for."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import uuid
from math import inf

import attrs

from nauth.clock import Clock
from nomadauth.sandbox.data import Account
from nomadauth.sandbox.switches import Switches

__all__ = ["Access", "Pair", "Refresh", "Session", "Sessions"]

_SIGNING_KEY = b"the sandbox's own; nobody checks"


@attrs.define(eq=False)
class Session:
    """One session, opened by a sign-in and continued by refreshes."""

    account: Account
    sso: bool
    session_id: str = attrs.field(factory=lambda: str(uuid.uuid4()))
    replaced: bool = False
    refreshable: bool = True
    accesses: list[Access] = attrs.field(factory=list["Access"], repr=False)


@attrs.define(eq=False)
class Access:
    """One access token: its session and expiry."""

    session: Session
    expires_at: float

    def live(self, now: float) -> bool:
        """Tell whether it is accepted at `now`."""
        return now < self.expires_at

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
        return not self.spent and self.session.refreshable and now < self.expires_at


@attrs.frozen
class Pair:
    """The tokens that a sign-in or refresh issues; `refresh` is None if the vendor leaves it out."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)
    session: Session


class Sessions:
    """Keep the sessions; the switches decide how. All times are wall seconds: a vendor's server is never suspended."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.reuses: int = 0
        self._switches = switches
        self._clock = clock
        self._refresh_life_s = inf if switches.refresh_life is None else switches.refresh_life.total_seconds()
        self._sessions: list[Session] = []
        self._accesses: dict[str, Access] = {}
        self._refreshes: dict[str, Refresh] = {}

    def access(self, token: str) -> Access | None:
        """Return what is known of a token, ended ones included."""
        return self._accesses.get(token)

    def presented(self, token: str, *, sso: bool) -> Refresh | None:
        """Return a refresh token of this kind of session, ended ones included; a spent one counts as a re-use."""
        refresh = self._refreshes.get(token)
        if refresh is None or refresh.session.sso is not sso:
            return None
        self.reuses += refresh.spent
        return refresh

    def live_tokens(self) -> int:
        """Count the tokens that work now."""
        now = self._clock.wall()
        return sum(access.live(now) for access in self._accesses.values())

    def session(self, session_id: str) -> Session | None:
        """Return a session by its id."""
        return next((entry for entry in self._sessions if entry.session_id == session_id), None)

    def open(self, account: Account, *, sso: bool = False) -> Pair:
        """Open a session and end those that may not exist beside it."""
        if self._switches.user_session == "newest_only":
            for session in self._sessions:
                if session.account is account:
                    self._replace(session)
        session = Session(account, sso)
        self._sessions.append(session)
        return self._pair(session, self._new_refresh(session))

    def rotate(self, token: str, refresh: Refresh) -> Pair:
        """Give the session of a live refresh token a new token, and maybe a new refresh token."""
        session, switches = refresh.session, self._switches
        if switches.refresh_kills_old_token == "yes":
            for access in session.accesses:
                access.kill()
        rotation: str = switches.sso_renew_returns_refresh if session.sso else switches.refresh_rotation
        match rotation:
            case "same":
                return self._pair(session, token)
            case "omitted" | "absent":
                return self._pair(session, None)
            case _:
                refresh.spent = rotation == "new_old_dies"
                return self._pair(session, self._new_refresh(session))

    def end(self, session: Session) -> None:
        """End a session: its access tokens and its refresh tokens."""
        session.refreshable = False
        for access in session.accesses:
            access.kill()

    def kill_all(self, *, kill_refresh: bool) -> None:
        """End every access token, and with `kill_refresh` the refresh tokens too."""
        for session in self._sessions:
            for access in session.accesses:
                access.kill()
            if kill_refresh:
                session.refreshable = False

    def _replace(self, session: Session) -> None:
        session.replaced = True
        if self._switches.replaced_session_signal == "401":
            self.end(session)

    def _pair(self, session: Session, refresh: str | None) -> Pair:
        now = self._clock.wall()
        access = Access(session, now + self._switches.real_life.total_seconds())
        token = self._new_token(session, now)
        session.accesses.append(access)
        self._accesses[token] = access
        return Pair(token, refresh, session)

    def _new_token(self, session: Session, now: float) -> str:
        if self._switches.token_kind == "opaque":
            return secrets.token_urlsafe(96)
        claims = {
            "sub": session.account.user_id,
            "exp": int(now + self._switches.stated_life.total_seconds()),
            "jti": secrets.token_hex(16),
        }
        if self._switches.token_kind == "jwt_iat_exp":
            claims["iat"] = int(now)
        signed = f"{_b64(json.dumps({'alg': 'HS256'}).encode())}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{_b64(hmac.digest(_SIGNING_KEY, signed.encode(), 'sha256'))}"

    def _new_refresh(self, session: Session) -> str:
        # with characters that a URL must percent-encode
        token = f"rt+/{secrets.token_urlsafe(48)}=="
        self._refreshes[token] = Refresh(session, self._clock.wall() + self._refresh_life_s)
        return token


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
