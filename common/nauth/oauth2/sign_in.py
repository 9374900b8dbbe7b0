"""A sign-in that has begun: sealed for the session of the browser that began it, and opened again at its callback."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, cast

import attrs

from nauth.errors import ConfigurationError, InteractionRequiredError
from nauth.oauth2.pkce import PKCE
from nauth.secret import Secret
from nauth.stores.encrypted import EncryptedStore

if TYPE_CHECKING:
    from nauth.stores.aes_gcm import Keyring

__all__ = ["Sealing", "SignIn", "StartedSignIn", "sign_in_name", "state_digest"]

_log = logging.getLogger("nauth")

_TOLERANCE_S = 60.0
"""How far the clocks of two workers may be apart."""

_LONGEST_DATA = 1_024
"""Most characters of the caller's own data: a browser drops a cookie of more than 4,096 without a word."""


@attrs.frozen(kw_only=True)
class StartedSignIn:
    """A sign-in that has begun.

    Attributes:
        url: send this browser there. It holds the state: do not log it.
        sealed: goes into this browser's session and nowhere else; `remember` puts it there.
        name: 16 characters of the state's digest, which find the sign-in again among several.
        expires_at: when its callback is no longer taken.
    """

    url: str = attrs.field(repr=False)
    sealed: str = attrs.field(repr=False)
    name: str
    expires_at: datetime


@attrs.frozen(kw_only=True)
class SignIn:
    """What a sealed sign-in holds.

    Attributes:
        digest: of the state, as hex digits.
        pkce: the proof that code and exchange belong together; None without PKCE.
        redirect_uri: where the person is sent back to.
        begun_s: when it began, in seconds since the epoch.
        account: whose sign-in it is.
        data: the caller's own, such as where to go afterwards.
    """

    digest: str = attrs.field(repr=False)
    pkce: PKCE | None = attrs.field(repr=False)
    redirect_uri: str | None
    begun_s: float
    account: str | None
    data: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def begin(
        cls,
        state: Secret,
        pkce: PKCE | None,
        *,
        redirect_uri: str | None,
        now_s: float,
        account: str | None,
        data: Mapping[str, str] | None,
    ) -> SignIn:
        """Return the sign-in that begins now.

        Raises:
            ConfigurationError: `data` is no small mapping of text to text.
        """
        given = dict(data or {})
        if not all(type(part) is str for pair in given.items() for part in pair):
            raise ConfigurationError("data of a sign-in must be a mapping of text to text")
        if len(json.dumps(given)) > _LONGEST_DATA:
            raise ConfigurationError(
                f"data of a sign-in is longer than {_LONGEST_DATA} characters, and a browser drops a cookie that is too "
                "long without a word: keep it elsewhere and give its key"
            )
        return cls(
            digest=state_digest(state),
            pkce=pkce,
            redirect_uri=redirect_uri,
            begun_s=now_s,
            account=account,
            data=given,
        )

    def check(self, state: Secret, *, now_s: float, pending_for: timedelta) -> None:
        """Check that the callback with `state` ends this sign-in, in time.

        Raises:
            InteractionRequiredError: it does not.
        """
        # compares digests of 256 random bits: the time it takes tells nothing about the state
        if state_digest(state) != self.digest:
            raise InteractionRequiredError(
                "the callback's state belongs to another sign-in than the one in this browser's session: a third party "
                "forged it (RFC 6749 section 10.12), or two tabs were mixed up. Nothing was sent. Start the sign-in again"
            )
        age_s = now_s - self.begun_s
        if not -_TOLERANCE_S <= age_s <= pending_for.total_seconds() + _TOLERANCE_S:
            raise InteractionRequiredError(
                f"this sign-in began {round(age_s)} s ago, and {round(pending_for.total_seconds())} s are allowed. Nothing "
                "was sent. Start the sign-in again; if it happens at once, the workers' clocks are apart"
            )


class Sealing:
    """Seal sign-ins so that only the same client at the same server opens them.

    Args:
        keys: key id to key, as for `EncryptedStore`; None takes a key of this process.
        context: the server and the client.

    Raises:
        ConfigurationError: a key has the wrong form.
    """

    def __init__(self, keys: Mapping[str, Secret] | None, *context: str) -> None:
        self._of_process = keys is None
        self._given = None if keys is None else _keyring(keys)
        self._context = context

    def seal(self, begun: SignIn) -> str:
        """Return `begun` as text that fits a session.

        Raises:
            ConfigurationError: the package cryptography is not installed.
        """
        if self._of_process:
            _warn_of_workers()
        text = json.dumps(
            [
                begun.digest,
                None if begun.pkce is None else begun.pkce.verifier.reveal(),
                begun.redirect_uri,
                int(begun.begun_s),
                begun.account,
                dict(begun.data),
            ],
            separators=(",", ":"),
        )
        return self._keyring().seal_text(text, *self._context)

    def open(self, sealed: Secret) -> SignIn:
        """Return the sign-in inside `sealed`.

        Raises:
            InteractionRequiredError: there is none, or it does not open here.
            ConfigurationError: the package cryptography is not installed.
        """
        if not sealed:
            raise InteractionRequiredError(
                "this browser's session holds no sign-in for this callback: it was used before, or the person started in "
                "another browser, or the session's cookie did not come along (SameSite=Strict, response_mode=form_post, "
                "or a cookie over 4 KB). Nothing was sent. Start the sign-in again"
            )
        text = self._keyring().open_text(sealed, *self._context)
        if text is None:
            why = (
                "it was sealed by another process or before a restart: give sealing=, the same keys in every worker"
                if self._of_process
                else "it was altered, or sealed with another key, or for another client id or server"
            )
            raise InteractionRequiredError(
                f"the sign-in in this browser's session does not open: {why}. Nothing was sent. Start the sign-in again"
            )
        digest, verifier, redirect_uri, begun_s, account, data = cast(
            "tuple[str, str | None, str | None, float, str | None, dict[str, str]]", json.loads(text.reveal())
        )
        return SignIn(
            digest=digest,
            pkce=None if verifier is None else PKCE(Secret(verifier)),
            redirect_uri=redirect_uri,
            begun_s=begun_s,
            account=account,
            data=data,
        )

    def _keyring(self) -> Keyring:
        return self._given or _process_keyring()


def state_digest(state: Secret) -> str:
    """Return the digest of a state: it names a sign-in and does not tell the state."""
    return hashlib.sha256(state.reveal().encode("utf-8", "surrogatepass")).hexdigest()


def sign_in_name(state: Secret) -> str:
    """Return the name that a sign-in has in a session."""
    return base64.urlsafe_b64encode(bytes.fromhex(state_digest(state))).decode("ascii")[:16]


def _keyring(keys: Mapping[str, Secret]) -> Keyring:
    try:
        from nauth.stores.aes_gcm import Keyring  # noqa: PLC0415 - an extra, needed by those who seal only
    except ImportError:
        raise ConfigurationError(
            "begin_sign_in() seals with the package cryptography: pip install nauth[crypto]"
        ) from None
    return Keyring(keys)


@cache
def _process_keyring() -> Keyring:
    return _keyring({"process": EncryptedStore.generate_key()})


@cache
def _warn_of_workers() -> None:
    """Warn once, where the environment says that there are several workers."""
    workers = os.environ.get("WEB_CONCURRENCY", "")
    if workers.isdigit() and int(workers) > 1:
        _log.warning(
            "sign-ins are sealed with a key of this process, and WEB_CONCURRENCY names %s workers: a callback that "
            "another worker gets will be refused. Give sealing=, the same keys in every worker",
            workers,
        )
