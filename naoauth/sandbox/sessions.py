"""The sandbox's OAuth state: codes, access tokens and refresh tokens, and what re-use of a spent token ends."""

from __future__ import annotations

import base64
import hashlib
import secrets

import attrs

from naoauth.sandbox.switches import Switches
from nauth.clock import Clock
from nauth.testing.issued_tokens import IssuedTokens, Session

__all__ = ["Code", "Granted", "Grants"]

_CODE_LIFE_S = 600.0


@attrs.define(eq=False)
class Code:
    """One authorization code."""

    redirect_uri: str
    challenge: str | None
    expires_at: float
    family: Session | None = None


@attrs.frozen
class Granted:
    """The tokens that an exchange issues."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)


class Grants(IssuedTokens[Session]):
    """Keep grants as the switches say. Everything that came from one consent is one session."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        super().__init__(clock)
        self._switches = switches
        self._codes: dict[str, Code] = {}
        self._access_beside: dict[str, str] = {}  # refresh token -> the access token issued with it
        self._replaced: dict[
            str, str
        ] = {}  # access token that no request has used yet -> refresh token it came from

    def new_code(self, redirect_uri: str, challenge: str | None) -> str:
        """Return a code for a person who has just consented."""
        code = secrets.token_hex(32)
        self._codes[code] = Code(redirect_uri, challenge, self._clock.wall() + _CODE_LIFE_S)
        return code

    def seed(self) -> str | None:
        """Return the refresh token of an earlier consent; None where there are no refresh tokens."""
        return None if self._switches.oauth_refresh == "none" else self._new_refresh(Session())

    def exchange(self, code: str, redirect_uri: str, verifier: str | None) -> Granted | None:
        """Exchange a code; None if it is refused. A code seen twice ends its tokens (RFC 6749 section 4.1.2)."""
        known = self._codes.get(code)
        if known is None or known.redirect_uri != redirect_uri or self._clock.wall() >= known.expires_at:
            return None
        if known.family is not None:
            known.family.end()
            return None
        if known.challenge is not None and (verifier is None or _s256(verifier) != known.challenge):
            return None
        known.family = Session()
        access = self._new_access(known.family)
        if self._switches.oauth_refresh == "none":
            return Granted(access, None)
        return self._with_refresh(access, known.family)

    def refresh(self, token: str) -> Granted | None:
        """Exchange a refresh token; None if it is refused. A spent one ends all tokens of its consent."""
        known = self._refreshes.get(token)
        if known is None or not known.session.refreshable:
            return None
        if known.spent:
            self.note_reuse()
            if self._switches.oauth_refresh != "old_until_new_used":
                known.session.end()
            return None
        access = self._new_access(known.session)
        match self._switches.oauth_refresh:
            case "kept":
                return Granted(access, token)
            case "omitted_on_refresh":
                return Granted(access, None)
            case "old_until_new_used":
                self._replaced[access] = token
                return self._with_refresh(access, known.session)
            case _:
                known.spent = True
                return Granted(access, self._new_refresh(known.session))

    def opens(self, token: str) -> bool:
        """Tell whether an access token works now. The first use of one ends what it replaces, where that is switched."""
        opened = super().opens(token)
        spent = self._replaced.pop(token, None) if opened else None
        if spent is not None:
            self._refreshes[spent].spent = True
            self.kill_access(self._access_beside.get(spent, ""))
        return opened

    def _with_refresh(self, access: str, session: Session) -> Granted:
        refresh = self._new_refresh(session)
        self._access_beside[refresh] = access
        return Granted(access, refresh)

    def revoke(self, token: str) -> None:
        """Revoke a token; with a refresh token all tokens of its consent end (RFC 7009 section 2.1)."""
        refresh = self._refreshes.get(token)
        if refresh is not None:
            refresh.session.end()
        self.kill_access(token)

    def _new_access(self, session: Session) -> str:
        life = self._switches.oauth_life
        token = secrets.token_hex(32)
        # a life that is not stated has an end, too
        self.add_access(token, session, 7200.0 if life is None else life.total_seconds())
        return token

    def _new_refresh(self, session: Session) -> str:
        token = secrets.token_hex(32)
        self.add_refresh(token, session)
        return token


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
