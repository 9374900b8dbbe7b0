"""Keep started sign-ins in a browser's session, be it Starlette's, Django's or aiohttp-session's."""

from __future__ import annotations

from typing import Any, Protocol, cast

from yarl import URL

from nauth.oauth2.callback import Callback, hide
from nauth.oauth2.sign_in import StartedSignIn, sign_in_name
from nauth.secret import Secret

__all__ = ["Session", "recall", "remember"]

_MEMBER = "nauth-signin"
_MOST = 5


class Session(Protocol):
    """The part of a web framework's session that is used."""

    def get(self, key: Any, default: Any = None, /) -> Any:
        """Return a member, or `default`."""
        ...

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Set a member."""
        ...


def remember(session: Session, started: StartedSignIn, *, name: str = _MEMBER, most: int = _MOST) -> None:
    """Put a started sign-in into the session of the browser that is about to be sent away.

    Args:
        session: ``request.session`` of Starlette or Django, or what aiohttp-session's ``get_session`` returns.
        started: what `begin_sign_in` returned.
        name: the member of the session.
        most: sign-ins kept at once, one for each tab; beyond it the oldest is dropped. Each has some 400 characters, and
            a browser drops a cookie of more than 4,096.
    """
    kept = _kept(session, name)
    kept.pop(started.name, None)
    session[name] = {**dict(list(kept.items())[max(0, len(kept) - most + 1) :]), started.name: started.sealed}


def recall(session: Session, callback: str | URL | Secret, *, name: str = _MEMBER) -> str:
    """Take the sign-in that `callback` ends out of the session, for ``exchange(callback, started=...)``.

    Returns:
        An empty text if this browser did not start it; `exchange` then says so.

    Raises:
        NauthError: the callback cannot be read.
    """
    hidden = hide(callback)
    del callback  # else an error tracker would print the code with this frame
    wanted = sign_in_name(Callback.parse(hidden).state())
    kept = _kept(session, name)
    sealed = kept.pop(wanted, "")
    if sealed:
        # a new object: Django does not notice a change inside the old one
        session[name] = kept
    return sealed


def _kept(session: Session, name: str) -> dict[str, str]:
    found = session.get(name, None)
    members = cast("dict[object, object]", found) if isinstance(found, dict) else {}
    return {key: value for key, value in members.items() if isinstance(key, str) and isinstance(value, str)}
