"""The sign-ins under way, and the callback that ends one of them (RFC 6749 section 4.1.2)."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections import OrderedDict
from urllib.parse import parse_qsl

import attrs
from yarl import URL

from nauth.after_fork import guard
from nauth.errors import ConfigurationError, InteractionRequiredError, MalformedResponseError
from nauth.oauth2.errors import authorization_refusal
from nauth.oauth2.pkce import PKCE
from nauth.secret import Secret

__all__ = ["Awaited", "Callback", "awaited_for", "hide", "new_state"]

_STATE_BYTES = 32
_NAMES = frozenset({"code", "state", "error", "error_description"})
"""The parameters that are kept. Other names are dropped: a code handed over without its address would be such a name."""

_LONGEST = 16_384
"""Longest callback looked into, in characters; no browser or proxy lets a longer address pass."""

_MOST = 10_000
"""Sign-ins that may be under way at once in one object: some 4 MB."""

_log = logging.getLogger("nauth")


def new_state() -> Secret:
    """Return a state that cannot be guessed: 256 random bits."""
    return Secret(secrets.token_urlsafe(_STATE_BYTES))


@attrs.frozen
class Callback:
    """The parameters of a callback, each of them hidden."""

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
    """The sign-ins under way: state -> PKCE. Each state is good for one callback.

    States are looked up by their digest, so the time a look-up takes tells nothing about any state.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._pending: dict[bytes, PKCE | None] = {}
        self._dropped: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, state: Secret, pkce: PKCE | None) -> None:
        """Remember a sign-in that starts now. Beyond the bound the oldest one is dropped, with a warning."""
        while len(self._pending) >= self._most:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            _log.warning(
                "%d sign-ins are under way and the oldest was dropped: its callback will be refused. Is the sign-in page "
                "visited by a program?",
                self._most,
            )
            self._dropped[oldest] = None
        while len(self._dropped) > self._most:
            del self._dropped[next(iter(self._dropped))]
        self._pending[_digest(state)] = pkce

    def take(self, state: Secret) -> PKCE | None:
        """Forget the sign-in that `state` belongs to, and return its PKCE.

        Raises:
            InteractionRequiredError: no sign-in that is under way here has this state.
        """
        digest = _digest(state)
        if digest in self._pending:
            return self._pending.pop(digest)
        if digest in self._dropped:
            raise InteractionRequiredError(
                f"this sign-in was dropped because {self._most} newer ones were started here before the person came "
                "back. Nothing was sent. Start again at the authorization URL"
            )
        raise InteractionRequiredError(
            "the callback's state belongs to no sign-in that is under way in this object: it was used before, the sign-in "
            "was started by another process or before a restart, or a third party forged it (RFC 6749 section 10.12). "
            "Nothing was sent. Start again at the authorization URL; where several workers serve one application, use "
            "begin_sign_in() and exchange(callback, started=...), which keep the sign-in in the browser's session"
        )


_MOST_KEYS = 10_000
_guard = guard()
_by_key: OrderedDict[str, Awaited] = OrderedDict()


def awaited_for(key: str) -> Awaited:
    """Return the sign-ins under way that all clients of this process with the same token share.

    A web service may open a client for each request: the one that gets the callback did not make the address.

    Args:
        key: names the token. A client that shares the token may share its sign-ins, and no other client does.
    """
    with _guard:
        found = _by_key.setdefault(key, Awaited())
        _by_key.move_to_end(key)
        while len(_by_key) > _MOST_KEYS:
            _by_key.popitem(last=False)
        return found


def _digest(state: Secret) -> bytes:
    return hashlib.sha256(state.reveal().encode("utf-8", "surrogatepass")).digest()


def hide(callback: object) -> Secret:
    """Return the callback hidden, so that no frame of ours shows the code in it when an error is raised.

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
