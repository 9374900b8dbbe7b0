"""`TokenEndpoint`: where a client gets its tokens, and how it proves who it is (RFC 6749 sections 2.3 and 3.2)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Self, TypeAlias, get_args
from urllib.parse import quote_plus, urlencode

from aiohttp import ClientSession
from yarl import URL

from nauth.clock import Clock, SystemClock
from nauth.errors import ConfigurationError, RequestRejectedError
from nauth.identity import identity_digest
from nauth.oauth2.errors import Ask, refusal
from nauth.oauth2.token_response import read_token
from nauth.oauth2.urls import endpoint_url
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.token import RenewalPolicy, Token
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.calls import token_calls
from nauth.transport.network import Network

__all__ = ["ClientAuth", "Parameters", "TokenEndpoint"]

ClientAuth: TypeAlias = Literal["basic", "body", "none"]
Parameters: TypeAlias = Mapping[str, str | Secret | None]
"""Form fields; those that are None are left out."""

_GRANT_TYPES = {
    Ask.CLIENT_CREDENTIALS: "client_credentials",
    Ask.AUTHORIZATION_CODE: "authorization_code",
    Ask.REFRESH_TOKEN: "refresh_token",
}


class TokenEndpoint:
    """One client at one authorization server.

    Holds no token. Unless `transport` is given it opens connections of its own: close it with `aclose`, or use it as
    an async context manager.

    Args:
        token_url: where tokens come from; https, or http on loopback.
        client_id: as registered.
        client_secret: as registered; None for a public client.
        client_auth: how the client proves itself: "basic" (an Authorization header, both parts form-encoded as RFC
            6749 section 2.3.1 says), "body", or "none" for a public client, which only names itself. By default
            "basic" with a secret and "none" without.
        revocation_url: where tokens are revoked (RFC 7009), if the server offers it.
        name: how errors call the server.
        headers: what the server wants on every call beside the usual.
        transport: carries the calls; closed by whoever made it.
        policy: pauses and deadline of repeated calls, where no transport is given.
        clock: where time comes from, where no transport is given.
        user_agent: sent with every call, where no transport is given.
        session: a session of yours whose connector, proxy and trust carry the calls; never closed here. Its cookies,
            headers and middlewares are left out.
        proxy: the address of a proxy, in place of those of the environment.
        ssl_context: whom to trust, and which certificate to show.

    Raises:
        ConfigurationError: an address is unsafe, settings contradict each other, or certificates would not be checked.
    """

    def __init__(
        self,
        token_url: str | URL,
        *,
        client_id: str,
        client_secret: str | Secret | None = None,
        client_auth: ClientAuth | None = None,
        revocation_url: str | URL | None = None,
        name: str = "the authorization server",
        headers: Mapping[str, str] | None = None,
        transport: Transport | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        user_agent: str = "nauth",
        session: ClientSession | None = None,
        proxy: str | URL | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._token_url = endpoint_url(token_url, setting="token_url")
        self._revocation_url = (
            None if revocation_url is None else endpoint_url(revocation_url, setting="revocation_url")
        )
        self._client_id = _named(client_id)
        self._secret = _secret(client_secret)
        self._client_auth = _client_auth(client_auth, self._secret)
        self._name = name
        self._headers = dict(headers or {})
        network = Network(session=session, proxy=proxy, ssl_context=ssl_context)
        if transport is not None and network != Network():
            raise ConfigurationError(
                "transport carries the calls its own way: leave session, proxy and ssl_context out"
            )
        self._own = transport is None
        self._transport = transport or token_calls(
            user_agent=user_agent,
            policy=policy or RenewalPolicy(),
            clock=clock or SystemClock(),
            network=network,
        )

    def __repr__(self) -> str:
        return f"<TokenEndpoint {self._token_url.host}: {self._client_auth} client authentication>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def client_id(self) -> str:
        """The client's id, which is no secret."""
        return self._client_id

    @property
    def name(self) -> str:
        """How errors call the server."""
        return self._name

    def key(self, vendor: str, *parts: str | Secret | None) -> StoreKey:
        """Return a key for `TokenManager`.

        Args:
            vendor: a short name of the server.
            parts: whatever else tells this token from others of the same client: scope, or the person who signed in.
        """
        identity = identity_digest(self._client_id, self._secret, *parts)
        return StoreKey(vendor=vendor, base_url=str(self._token_url), identity=identity)

    async def token(self, ask: Ask, parameters: Parameters, *, repeatable: bool = False) -> Token:
        """Ask for a token.

        Args:
            ask: what for; gives the grant type.
            parameters: of the grant.
            repeatable: may be sent again although the server may have acted on it. A code may not, nor a refresh
                token that rotates: a server that sees one twice takes it for stolen and revokes everything.

        Raises:
            NauthError: see `nauth.oauth2.errors` for refusals and `nauth.transport` for the rest.
        """
        fields = {"grant_type": _GRANT_TYPES[ask], **parameters}
        answer = await self._post(self._token_url, fields, repeatable=repeatable)
        return read_token(answer, ask, name=self._name)

    async def refresh(self, token: Token, *, scope: str | None = None) -> Token:
        """Exchange `token.refresh_token` (RFC 6749 section 6). It is sent once: see `token`.

        Raises:
            CredentialsRejectedError: refused for good.
            NauthError: as for `token`.
        """
        return await self.token(Ask.REFRESH_TOKEN, {"refresh_token": token.refresh_token, "scope": scope})

    async def revoke(self, token: Token) -> None:
        """End the life of both tokens (RFC 7009), the refresh token first. "Already invalid" is success.

        Raises:
            ConfigurationError: no revocation URL was given.
            NauthError: a token may still be alive.
        """
        if self._revocation_url is None:
            raise ConfigurationError(
                f"{self._name}: revoking needs the revocation URL; give TokenEndpoint(revocation_url=...). Nothing "
                "was sent"
            )
        if token.refresh_token:
            await self._revoke(self._revocation_url, token.refresh_token, "refresh_token")
        try:
            await self._revoke(self._revocation_url, token.access_token, "access_token")
        except RequestRejectedError as error:
            # RFC 7009 section 2.2.1: such a server lets access tokens run out, once their refresh token is gone
            if error.code != "unsupported_token_type" or not token.refresh_token:
                raise

    async def aclose(self) -> None:
        """Close what this object opened. Closing twice is allowed."""
        if self._own:
            await self._transport.aclose()

    async def _revoke(self, url: URL, token: Secret, hint: str) -> None:
        answer = await self._post(url, {"token": token, "token_type_hint": hint}, repeatable=True)
        if not answer.ok:
            raise refusal(answer, Ask.REVOCATION, name=self._name)

    async def _post(self, url: URL, fields: Parameters, *, repeatable: bool) -> Answer:
        request = Request(
            method="POST",
            url=url,
            headers=self._signed_headers(),
            body=_form({**fields, **self._client_fields()}),
            repeatable=repeatable,
        )
        return await self._transport.send(request)

    def _client_fields(self) -> Parameters:
        match self._client_auth:
            case "basic":
                return {}
            case "body":
                return {"client_id": self._client_id, "client_secret": self._secret}
            case _:
                return {"client_id": self._client_id}

    def _signed_headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **self._headers,
        }
        if self._client_auth == "basic" and self._secret is not None:
            headers["Authorization"] = _basic(self._client_id, self._secret)
        return headers


def _form(fields: Parameters) -> bytes:
    return urlencode(
        [
            (name, value.reveal() if isinstance(value, Secret) else value)
            for name, value in fields.items()
            if value is not None
        ],
        # half of a surrogate pair is for the server to refuse, in what it holds for a wrong code or secret
        errors="surrogatepass",
    ).encode("ascii")


def _basic(client_id: str, secret: Secret) -> str:
    # RFC 6749 section 2.3.1: both parts are form-encoded first, or a colon in the id would move the border
    return f"Basic {base64.b64encode(f'{_quoted(client_id)}:{_quoted(secret.reveal())}'.encode()).decode()}"


def _quoted(text: str) -> str:
    return quote_plus(text, errors="surrogatepass")


def _named(client_id: object) -> str:
    if not isinstance(client_id, str) or not client_id.strip():
        raise ConfigurationError("client_id must be text that is not empty")
    return client_id.strip()


def _secret(value: str | Secret | None) -> Secret | None:
    try:
        return None if value is None else Secret.of(value)
    except TypeError as error:
        raise ConfigurationError(f"client_secret: {error}") from None


def _client_auth(chosen: object, secret: Secret | None) -> ClientAuth:
    for known in get_args(ClientAuth):
        if chosen == known or (chosen is None and known == ("basic" if secret else "none")):
            if (known == "none") == bool(secret):
                raise ConfigurationError(
                    f"client_auth={known!r} contradicts "
                    + ("the client_secret that was given" if secret else "an absent or empty client_secret")
                )
            return known  # type: ignore[no-any-return]  # one of the literal's own members
    raise ConfigurationError("client_auth must be 'basic', 'body' or 'none'")
