"""The sandbox's OAuth state: codes, access tokens and refresh tokens, and what re-use of a spent token ends."""

from __future__ import annotations

import base64
import hashlib
import secrets
from math import inf

import attrs

from naoauth.sandbox.switches import Switches
from nauth.clock import Clock

__all__ = ["Code", "Granted", "Grants"]

_CODE_LIFE_S = 600.0


@attrs.define(eq=False)
class Code:
    """One authorization code."""

    redirect_uri: str
    challenge: str | None
    expires_at: float
    family: _Family | None = None


@attrs.define(eq=False)
class _Family:
    """All tokens that came from one consent."""

    dead: bool = False


@attrs.define(eq=False)
class _Access:
    family: _Family
    expires_at: float


@attrs.define(eq=False)
class _Refresh:
    family: _Family
    spent: bool = False


@attrs.frozen
class Granted:
    """The tokens that an exchange issues."""

    access: str = attrs.field(repr=False)
    refresh: str | None = attrs.field(repr=False)


class Grants:
    """Keep the grants; the switches decide how. All times are the clock's wall seconds."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.reuses: int = 0
        self._switches = switches
        self._clock = clock
        self._codes: dict[str, Code] = {}
        self._accesses: dict[str, _Access] = {}
        self._refreshes: dict[str, _Refresh] = {}

    def new_code(self, redirect_uri: str, challenge: str | None) -> str:
        """Return a code for a person who has just consented."""
        code = secrets.token_hex(32)
        self._codes[code] = Code(redirect_uri, challenge, self._clock.wall() + _CODE_LIFE_S)
        return code

    def seed(self) -> str | None:
        """Return the refresh token of an earlier consent; None if the switches allow no refresh tokens."""
        return None if self._switches.oauth_refresh == "none" else self._new_refresh(_Family())

    def exchange(self, code: str, redirect_uri: str, verifier: str | None) -> Granted | None:
        """Exchange a code; None if it is refused. A code seen twice ends its tokens (RFC 6749 section 4.1.2)."""
        known = self._codes.get(code)
        if known is None or known.redirect_uri != redirect_uri or self._clock.wall() >= known.expires_at:
            return None
        if known.family is not None:
            known.family.dead = True
            return None
        if known.challenge is not None and (verifier is None or _s256(verifier) != known.challenge):
            return None
        known.family = _Family()
        refresh = None if self._switches.oauth_refresh == "none" else self._new_refresh(known.family)
        return Granted(self._new_access(known.family), refresh)

    def refresh(self, token: str) -> Granted | None:
        """Exchange a refresh token; None if it is refused. A spent one ends all tokens of its consent."""
        known = self._refreshes.get(token)
        if known is None or known.family.dead:
            return None
        if known.spent:
            self.reuses += 1
            known.family.dead = True
            return None
        access = self._new_access(known.family)
        match self._switches.oauth_refresh:
            case "kept":
                return Granted(access, token)
            case "omitted_on_refresh":
                return Granted(access, None)
            case _:
                known.spent = True
                return Granted(access, self._new_refresh(known.family))

    def revoke(self, token: str) -> None:
        """Revoke a token; with a refresh token all tokens of its consent end (RFC 7009 section 2.1)."""
        refresh, access = self._refreshes.get(token), self._accesses.get(token)
        if refresh is not None:
            refresh.family.dead = True
        if access is not None:
            access.expires_at = -inf

    def live(self, token: str) -> bool:
        """Tell whether an access token is accepted now."""
        known = self._accesses.get(token)
        return known is not None and not known.family.dead and self._clock.wall() < known.expires_at

    def live_tokens(self) -> int:
        """Count the access tokens that work now."""
        return sum(map(self.live, self._accesses))

    def kill_all(self, *, kill_refresh: bool) -> None:
        """End every access token, and with `kill_refresh` the refresh tokens too."""
        for access in self._accesses.values():
            access.expires_at = -inf
            access.family.dead = access.family.dead or kill_refresh
        if kill_refresh:
            for refresh in self._refreshes.values():
                refresh.family.dead = True

    def _new_access(self, family: _Family) -> str:
        life = self._switches.oauth_life
        token = secrets.token_hex(32)
        # a lifetime that the response does not state still ends
        self._accesses[token] = _Access(
            family, self._clock.wall() + (7200.0 if life is None else life.total_seconds())
        )
        return token

    def _new_refresh(self, family: _Family) -> str:
        token = secrets.token_hex(32)
        self._refreshes[token] = _Refresh(family)
        return token


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
