"""`AuthorizationCode`: a person signs in once, the service goes on with what they granted (RFC 6749 section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs
from yarl import URL

from nauth.clock import Clock, SystemClock
from nauth.credential_digest import identity_digest
from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    NotSentError,
    VendorUnavailableError,
    fresh_copy,
)
from nauth.manager.token_manager import TokenManager
from nauth.oauth2.callback import Awaited, Callback, hide, new_state
from nauth.oauth2.endpoint import Parameters, TokenEndpoint
from nauth.oauth2.errors import CLIENT_CODES, Operation, ends_grant
from nauth.oauth2.one_time import OneTime
from nauth.oauth2.pkce import PKCE
from nauth.oauth2.sign_in import Sealing, SignIn, StartedSignIn, sign_in_name
from nauth.oauth2.urls import endpoint_url, with_parameters
from nauth.secret import Secret
from nauth.stores.base import StoreKey, TokenStore
from nauth.time_formats import instant
from nauth.token import Token

__all__ = ["AuthorizationCode"]

_ATTEMPTS = 3
"""Renewals that `exchange` waits for before it gives up: the first may have begun before the code was accepted."""


_OF_THE_GRANT = frozenset({"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token"})


@attrs.frozen
class _Grant:
    """An authorization code that has not been sent yet, with the PKCE verifier that belongs to it."""

    code: Secret
    pkce: PKCE | None = attrs.field(repr=False)
    redirect_uri: str | None


class AuthorizationCode:
    """An `Authenticator` for the authorization code grant, with PKCE unless switched off.

    ::

        code = AuthorizationCode(
            endpoint,
            authorization_url="https://auth.example.com/authorize",
            redirect_uri=...,
        )
        manager = TokenManager(code, key=endpoint.key("example", "ada"))
        send_the_person_to(code.authorization_url())
        token = await code.exchange(callback, manager)

    One object serves one person: the key given to the manager must tell people apart. `issue` without a code raises
    `InteractionRequiredError`.

    Args:
        endpoint: where codes are exchanged.
        authorization_url: where the person signs in; a query in it is kept.
        redirect_uri: where they are sent back to, as registered. None leaves it out.
        scope: what to ask for, separated by spaces.
        pkce: prove that code and exchange belong together (RFC 7636).
        refresh_token: from an earlier sign-in; exchanged by the first `issue`, so that no person needs to sign in again.
        parameters: further form fields of the token calls, such as ``resource`` (RFC 8707) or ``organization``; sent
            with the code and with each refresh token.
        account: whose tokens these are, where a web service signs in many people: one object and one manager's key for
            each. A sealed sign-in of another account is refused.
        sealing: keys for `begin_sign_in`, as for `EncryptedStore`, the same in every worker; by default a key of this
            process, which no other process and no restart can open.
        pending_for: how long a person may take between `begin_sign_in` and the callback.
        clock: source of time; the machine's clock if None.
        awaited: the sign-ins that `authorization_url` has begun, where several objects share them.

    Raises:
        ConfigurationError: `authorization_url` is no https address, `parameters` names a field of the grant itself, or a
            sealing key has the wrong form.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        authorization_url: str | URL,
        redirect_uri: str | None = None,
        scope: str | None = None,
        pkce: bool = True,
        refresh_token: str | Secret | None = None,
        parameters: Parameters | None = None,
        account: str | None = None,
        sealing: Mapping[str, Secret] | None = None,
        pending_for: timedelta = timedelta(minutes=10),
        clock: Clock | None = None,
        awaited: Awaited | None = None,
    ) -> None:
        self._account = account
        self._sealing = Sealing(sealing, endpoint.address, endpoint.client_id)
        self._pending_for = pending_for
        self._clock = clock or SystemClock()
        self._endpoint = endpoint
        self._authorization_url = endpoint_url(authorization_url, setting="authorization_url")
        self._redirect_uri = redirect_uri
        self._scope = scope
        self._pkce = pkce
        self._parameters = _further(parameters or {})
        self._given_refresh_token = None if refresh_token is None else Secret.of(refresh_token)
        self._awaited = Awaited() if awaited is None else awaited
        self._grant: _Grant | None = None
        self._refusal: CredentialsRejectedError | None = None
        self._ended: Secret | None = None  # the refresh token that the server has refused for good

    def __repr__(self) -> str:
        return f"<AuthorizationCode {self._authorization_url.host}: {len(self._awaited)} sign-ins under way>"

    @property
    def pending(self) -> bool:
        """Whether a code waits to be exchanged by the next renewal."""
        return self._grant is not None

    def authorization_url(self, parameters: Mapping[str, str] | None = None) -> str:
        """Return the address to send a person to, with a state (and PKCE challenge) made for this sign-in alone.

        Args:
            parameters: what the server takes beside the usual, such as ``prompt``. What was set here cannot be
                replaced.
        """
        state, pkce = new_state(), PKCE() if self._pkce else None
        self._awaited.add(state, pkce)
        return self._address(state, pkce, self._redirect_uri, parameters)

    def begin_sign_in(
        self,
        *,
        parameters: Mapping[str, str] | None = None,
        redirect_uri: str | None = None,
        account: str | None = None,
        data: Mapping[str, str] | None = None,
    ) -> StartedSignIn:
        """Begin a sign-in whose callback any worker can end. Sends nothing and keeps nothing in this object.

        What the callback needs is sealed: put it into this browser's session with `remember`, and hand it to `exchange`
        with `recall`. Needs ``pip install nauth[crypto]``.

        Args:
            parameters: as for `authorization_url`.
            redirect_uri: another registered address to come back to.
            account: whose sign-in it is; this object's if left out.
            data: the caller's own small texts, such as where to go afterwards; `read_sign_in` returns them.

        Raises:
            ConfigurationError: the package cryptography is missing, or `data` is too large.
        """
        state, pkce = new_state(), PKCE() if self._pkce else None
        back = redirect_uri or self._redirect_uri
        now_s = self._clock.wall()
        begun = SignIn.begin(
            state, pkce, redirect_uri=back, now_s=now_s, account=account or self._account, data=data
        )
        return StartedSignIn(
            url=self._address(state, pkce, back, parameters),
            sealed=self._sealing.seal(begun),
            name=sign_in_name(state),
            expires_at=instant(now_s + self._pending_for.total_seconds()),
        )

    def read_sign_in(self, started: str | Secret) -> SignIn:
        """Return what `begin_sign_in` sealed: account, data, redirect URI.

        Raises:
            InteractionRequiredError: it is none of this client's.
        """
        hidden = _hidden(started)
        del started  # as in `accept`
        return self._sealing.open(hidden)

    def _address(
        self,
        state: Secret,
        pkce: PKCE | None,
        redirect_uri: str | None,
        parameters: Mapping[str, str] | None,
    ) -> str:
        ours = {
            "response_type": "code",
            "client_id": self._endpoint.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": state.reveal(),
            "code_challenge": None if pkce is None else pkce.challenge,
            "code_challenge_method": None if pkce is None else pkce.method,
        }
        given = {name: value for name, value in ours.items() if value is not None}
        return with_parameters(self._authorization_url, {**(parameters or {}), **given})

    def accept(self, callback: str | URL | Secret) -> None:
        """Check what the person brought back and keep its code for the next `issue`. Sends nothing.

        Args:
            callback: the address they were sent back to, or its query. Never logged or quoted.

        Raises:
            InteractionRequiredError: the state is of no sign-in started here, or the person declined.
            MalformedResponseError: there is neither code nor error, or one of them twice.
            NauthError: the server said why there is no code.
        """
        hidden = hide(callback)
        del callback  # else an error tracker would print the code with this frame
        arrived = Callback.parse(hidden)
        pkce = self._awaited.take(arrived.state())
        self._grant = _Grant(arrived.code(name=self._endpoint.name), pkce, self._redirect_uri)

    async def exchange(
        self, callback: str | URL | Secret, manager: TokenManager, *, started: str | Secret | None = None
    ) -> Token:
        """Check the callback, exchange its code, and let `manager` serve the new token from now on.

        Args:
            callback: as for `accept`.
            manager: the one that was given this authenticator. Its store is where a sealed sign-in is marked as used: where
                all workers share it, each is used once.
            started: what `recall` took out of this browser's session, where `begin_sign_in` began. None: the sign-in was
                begun by `authorization_url` of this object.

        Raises:
            InteractionRequiredError: the sign-in is not this browser's, is too old, or was used before. Nothing was sent.
            NauthError: as for `accept` and `issue`.
        """
        hidden = hide(callback)
        del callback  # as in `accept`
        if started is None:
            self.accept(hidden)
            return await self._renewed(manager)
        sealed = _hidden(started)
        del started
        once = await self._accept_started(hidden, sealed, manager.store)
        try:
            return await self._renewed(manager)
        except NotSentError:
            self._grant = None  # nothing is kept here for a person who may come back to another worker
            await once.give_back()
            raise

    async def _accept_started(self, callback: Secret, started: Secret, store: TokenStore) -> OneTime:
        arrived = Callback.parse(callback)
        begun = self._sealing.open(started)
        begun.check(arrived.state(), now_s=self._clock.wall(), pending_for=self._pending_for)
        if begun.account != self._account:
            raise ConfigurationError(
                "this sign-in was begun for another account than AuthorizationCode(account=...) names. Nothing was sent: "
                "read_sign_in(started).account tells whose it is"
            )
        identity = identity_digest("sign-in", self._endpoint.client_id, begun.digest)
        key = StoreKey(vendor="sign-in", base_url=self._endpoint.address, identity=identity)
        # the marker stays longer than the callback is taken anywhere, with clocks apart
        once = OneTime(store, key, self._pending_for + timedelta(minutes=2))
        await once.take()
        self._grant = _Grant(arrived.code(name=self._endpoint.name), begun.pkce, begun.redirect_uri)
        return once

    async def _renewed(self, manager: TokenManager) -> Token:
        for _ in range(_ATTEMPTS):
            # the person has just signed in, so a cool-down that told callers to sign in is over
            manager.forgive()
            try:
                token = await manager.renew()
            except NauthError as error:
                if not self.pending or isinstance(error, NotSentError):
                    raise
            else:
                if not self.pending:
                    return token
        raise VendorUnavailableError(
            "other renewals kept coming first and the code was not sent; it is kept for the next renewal, so call renew()"
        )

    async def issue(self) -> Token:
        """Exchange the code that was accepted, or the refresh token given at the start. Neither is sent twice.

        Raises:
            InteractionRequiredError: there is neither, or it was refused: a person has to sign in.
            NauthError: see `TokenEndpoint.token`.
        """
        grant, self._grant = self._grant, None
        if grant is not None:
            token = await self._exchanged(grant)
        elif self._given_refresh_token is not None:
            token = await self._from_given_refresh_token(self._given_refresh_token)
        elif self._refusal is not None and self._refusal.code in CLIENT_CODES:
            raise fresh_copy(self._refusal)
        else:
            raise self._sign_in()
        self._refusal = self._given_refresh_token = None
        return token

    async def refresh(self, token: Token) -> Token:
        """Exchange the refresh token, once.

        Raises:
            CredentialsRejectedError: refused for good; the manager calls `issue`, which asks for a person, or repeats
                that the client itself was refused.
            NauthError: see `TokenEndpoint.token`.
        """
        if self.pending:
            # the manager then calls issue, which keeps nothing of the old session
            raise CredentialsRejectedError("a new sign-in takes the place of this session; nothing was sent")
        if self._refusal is not None and self._ended == token.refresh_token:
            # sending it again would change nothing, and some servers take it for an attack
            raise fresh_copy(self._refusal)
        # `token` is newer than the refresh token given at the start, which must not be sent again
        self._refusal = self._given_refresh_token = None
        try:
            return await self._endpoint.refresh(token, parameters=self._parameters)
        except CredentialsRejectedError as error:
            self._remember(error, token.refresh_token)
            raise

    async def revoke(self, token: Token) -> None:
        """End the life of both tokens (RFC 7009).

        Raises:
            NauthError: see `TokenEndpoint.revoke`.
        """
        await self._endpoint.revoke(token)

    async def _exchanged(self, grant: _Grant) -> Token:
        parameters: Parameters = {
            **self._parameters,
            "code": grant.code,
            "redirect_uri": grant.redirect_uri,
            "code_verifier": None if grant.pkce is None else grant.pkce.verifier,
        }
        try:
            return await self._endpoint.token(Operation.AUTHORIZATION_CODE, parameters)
        except NotSentError:
            self._grant = grant  # the server has not seen the code, so it can still be used
            raise

    async def _from_given_refresh_token(self, given: Secret) -> Token:
        # kept until the server itself has taken or refused it: neither an outage nor a gateway's bare 401 may cost the
        # person's sign-in
        try:
            token = await self._endpoint.token(
                Operation.REFRESH_TOKEN, {**self._parameters, "refresh_token": given}
            )
        except CredentialsRejectedError as error:
            self._remember(error, given)
            if error.code in CLIENT_CODES:
                raise
        else:
            return attrs.evolve(token, refresh_token=token.refresh_token or given)
        if self._ended is not None:
            self._given_refresh_token = None
        raise self._sign_in()

    def _remember(self, error: CredentialsRejectedError, refresh_token: Secret | None) -> None:
        # a copy, for the original's traceback holds the request
        self._refusal = fresh_copy(error)
        self._ended = refresh_token if ends_grant(error) else None

    def _sign_in(self) -> InteractionRequiredError:
        refusal = self._refusal
        why = "a person has to sign in"
        if refusal is not None:
            said = f"HTTP {refusal.status}" + (f", {refusal.code}" if refusal.code else "")
            said += f": {refusal.detail}" if refusal.detail else ""
            why += f", for the refresh token was refused ({said})"
        return InteractionRequiredError(
            f"{self._endpoint.name}: {why}. Send them to what authorization_url() returns (at "
            f"{self._authorization_url.host}), and hand the address they come back to over to exchange()",
            status=None if refusal is None else refusal.status,
            code=None if refusal is None else refusal.code,
            detail=None if refusal is None else refusal.detail,
            request_id=None if refusal is None else refusal.request_id,
        )


def _hidden(started: str | Secret) -> Secret:
    return started if isinstance(started, Secret) else Secret(started)


def _further(parameters: Parameters) -> Parameters:
    taken = sorted(_OF_THE_GRANT.intersection(parameters))
    if taken:
        raise ConfigurationError(
            f"AuthorizationCode(parameters=...) names {', '.join(taken)}, which the grant sets itself; leave it out"
        )
    return dict(parameters)
