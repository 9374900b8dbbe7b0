"""Where a sign-in stands while the person is away, and what they bring back (RFC 6749 section 4.1.2)."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qsl

import attrs
from yarl import URL

from nauth.errors import ConfigurationError, InteractionRequiredError, MalformedResponseError
from nauth.oauth2.errors import authorization_refusal
from nauth.oauth2.pkce import PKCE
from nauth.secret import Secret

__all__ = ["Awaited", "Callback", "hide", "new_state"]

_STATE_BYTES = 32
_NAMES = frozenset({"code", "state", "error", "error_description"})
"""The parameters that are kept. Any other name may be anything: a code handed over without its address is one."""

_LONGEST = 16_384
"""Longest callback looked into, in characters; no browser or proxy lets a longer address pass."""

_MOST = 64
"""Sign-ins that may be under way at once; the oldest is forgotten, and asked to start again."""


def new_state() -> Secret:
    """Return a state that nobody can guess: 256 random bits."""
    return Secret(secrets.token_urlsafe(_STATE_BYTES))


@attrs.frozen
class Callback:
    """What a person brought back, with everything in it hidden."""

    _members: dict[str, Secret]

    @classmethod
    def parse(cls, callback: Secret) -> Callback:
        """Read a full address, or only its query with or without the question mark.

        Raises:
            ConfigurationError: far too long.
            MalformedResponseError: a parameter stands there twice, which RFC 6749 section 3.1 forbids.
        """
        if len(callback.reveal()) > _LONGEST:
            raise ConfigurationError(
                f"the callback is longer than {_LONGEST} characters; hand over the address only"
            )
        members: dict[str, Secret] = {}
        repeated: set[str] = set()
        for name, value in _pairs(callback):
            if name in members:
                repeated.add(name)
            members[name] = value
        if not repeated.isdisjoint({"code", "state", "error"}):
            raise MalformedResponseError(
                "the callback names code, state or error twice. Start the sign-in again",
                problems=("callback: a repeated parameter",),
            )
        return cls(members)

    def state(self) -> Secret:
        """Return the state; an empty one where there is none."""
        return self._members.get("state", Secret(""))

    def code(self, *, name: str) -> Secret:
        """Return the code.

        Raises:
            NauthError: the callback says why there is none; see `nauth.oauth2.errors`.
            MalformedResponseError: it holds neither code nor error.
        """
        error = self._members.get("error")
        if error:
            description = self._members.get("error_description", Secret(""))
            raise authorization_refusal(error.reveal(), description.reveal(), name=name)
        code = self._members.get("code")
        if not code:
            raise MalformedResponseError(
                f"{name} sent the person back with neither a code nor an error. Check that the whole address was handed "
                "over, and that the redirect URI is the registered one",
                problems=("callback: expected a parameter code or error",),
            )
        return code


class Awaited:
    """The sign-ins under way: state -> PKCE. Each state is good for one callback."""

    def __init__(self) -> None:
        self._pending: dict[Secret, PKCE | None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, state: Secret, pkce: PKCE | None) -> None:
        """Remember a sign-in that starts now."""
        while len(self._pending) >= _MOST:
            del self._pending[next(iter(self._pending))]
        self._pending[state] = pkce

    def take(self, state: Secret) -> PKCE | None:
        """Forget the sign-in that `state` belongs to, and return its PKCE.

        All are compared, each in constant time: how long it takes tells nothing about any of them.

        Raises:
            InteractionRequiredError: no sign-in that was started here has this state.
        """
        found = [known for known in self._pending if same(known, state)]
        if not found:
            raise InteractionRequiredError(
                "the callback's state belongs to no sign-in that was started here: it was used before, is from another "
                "process, or somebody forged it (RFC 6749 section 10.12). Nothing was sent. Start again at the "
                "authorization URL"
            )
        return self._pending.pop(found[0])


def same(one: Secret, other: Secret) -> bool:
    """Compare two states in constant time."""
    return hmac.compare_digest(
        one.reveal().encode("utf-8", "surrogatepass"), other.reveal().encode("utf-8", "surrogatepass")
    )


def hide(callback: object) -> Secret:
    """Return the callback hidden, so that whatever happens next no frame of ours shows the code in it.

    Raises:
        ConfigurationError: it is not text.
    """
    if not isinstance(callback, str | URL | Secret):
        raise ConfigurationError(f"the callback must be the URL as text, not {type(callback).__name__}")
    return callback if isinstance(callback, Secret) else Secret(str(callback))


def _pairs(text: Secret) -> list[tuple[str, Secret]]:
    return [
        (name, Secret(value))
        for name, value in parse_qsl(_query(text), keep_blank_values=True)
        if name in _NAMES
    ]


def _query(text: Secret) -> str:
    whole = text.reveal().strip().partition("#")[0]
    before, mark, after = whole.partition("?")
    if mark:
        return after
    return "" if "://" in before.partition("=")[0] else before
