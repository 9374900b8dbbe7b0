"""The sandbox's sessions: which tokens are valid, what ends them, what a refresh token is exchanged for."""

from __future__ import annotations

import secrets
import uuid
from math import inf

import attrs

from nauth.clock import Clock
from nauth.testing import issued_tokens
from nauth.testing.jwt import signed_jwt
from nomadauth.sandbox.data import Account
from nomadauth.sandbox.switches import Switches

__all__ = ["Pair", "Session", "Sessions"]


@attrs.define(eq=False, kw_only=True)
class Session(issued_tokens.Session):
    """What one sign-in opened: refreshing continues it."""

    account: Account
    sso: bool
    session_id: str = attrs.field(factory=lambda: str(uuid.uuid4()))
    replaced: bool = False


@attrs.frozen
class Pair:
    """The tokens that a sign-in or refresh issues; `refresh` is None if the vendor leaves it out."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)
    session: Session


class Sessions(issued_tokens.IssuedTokens[Session]):
    """Keep sessions as the switches say."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        super().__init__(clock)
        self._switches = switches
        self._refresh_life_s = inf if switches.refresh_life is None else switches.refresh_life.total_seconds()
        self._sessions: list[Session] = []

    def refresh_of(self, token: str, *, sso: bool) -> issued_tokens.Refresh[Session] | None:
        """Return a refresh token of this kind of session, dead ones included; a spent one counts as a re-use."""
        known = self._refreshes.get(token)
        return None if known is None or known.session.sso is not sso else self.presented(token)

    def session(self, session_id: str) -> Session | None:
        """Return a session by its id."""
        return next((entry for entry in self._sessions if entry.session_id == session_id), None)

    def open(self, account: Account, *, sso: bool = False) -> Pair:
        """Open a session and end those that may not exist beside it."""
        if self._switches.user_session == "newest_only":
            for session in self._sessions:
                if session.account is account:
                    self._replace(session)
        session = Session(account=account, sso=sso)
        self._sessions.append(session)
        return self._pair(session, self._new_refresh(session))

    def rotate(self, token: str, refresh: issued_tokens.Refresh[Session]) -> Pair:
        """Give the session of a live refresh token a new token, and maybe a new refresh token."""
        session, switches = refresh.session, self._switches
        if switches.refresh_kills_old_token == "yes":
            self.kill_accesses(session)
        rotation: str = switches.sso_renew_returns_refresh if session.sso else switches.refresh_rotation
        match rotation:
            case "same":
                return self._pair(session, token)
            case "omitted" | "absent":
                return self._pair(session, None)
            case _:
                refresh.spent = rotation == "new_old_dies"
                return self._pair(session, self._new_refresh(session))

    def _replace(self, session: Session) -> None:
        session.replaced = True
        if self._switches.replaced_session_signal == "401":
            session.end()

    def _pair(self, session: Session, refresh: str | None) -> Pair:
        token = self._new_token(session, self._clock.wall())
        self.add_access(token, session, self._switches.real_life.total_seconds())
        return Pair(token, refresh, session)

    def _new_token(self, session: Session, now: float) -> str:
        if self._switches.token_kind == "opaque":
            return secrets.token_urlsafe(96)
        claims: dict[str, object] = {
            "sub": session.account.user_id,
            "exp": int(now + self._switches.stated_life.total_seconds()),
            "jti": secrets.token_hex(16),
        }
        if self._switches.token_kind == "jwt_iat_exp":
            claims["iat"] = int(now)
        return signed_jwt(claims)

    def _new_refresh(self, session: Session) -> str:
        # with characters that a URL must percent-encode
        token = f"rt+/{secrets.token_urlsafe(48)}=="
        self.add_refresh(token, session, self._refresh_life_s)
        return token
