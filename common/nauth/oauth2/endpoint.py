"""`TokenEndpoint`: where a client gets its tokens, and how it proves who it is (RFC 6749 sections 2.3 and 3.2)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias, cast, get_args
from urllib.parse import quote, urlencode

from aiohttp import ClientSession
from yarl import URL

from nauth.clock import Clock, SystemClock
from nauth.credential_digest import identity_digest
from nauth.errors import ConfigurationError, RequestRejectedError
from nauth.oauth2.errors import Operation, refusal
from nauth.oauth2.token_response import read_token
from nauth.oauth2.urls import endpoint_url
from nauth.responses.error_body import Hidden
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.token import RenewalPolicy, Token
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.network import Network
from nauth.transport.token_calls import token_calls

__all__ = ["ClientAuth", "Parameters", "TokenEndpoint"]

ClientAuth: TypeAlias = Literal["basic", "basic_raw", "body", "none"]
Parameters: TypeAlias = Mapping[str, str | Secret | Sequence[str] | None]
"""Form fields. One that is None is left out; a sequence is sent as one field for each of its texts."""

_GRANT_TYPES = {
    Operation.CLIENT_CREDENTIALS: "client_credentials",
    Operation.AUTHORIZATION_CODE: "authorization_code",
    Operation.REFRESH_TOKEN: "refresh_token",
}


class TokenEndpoint:
    """One client at one authorization server.

    Holds no token. Unless `transport` is given it opens its own connections: close it with `aclose`, or use it as
    an async context manager.

    Args:
        token_url: where tokens come from; https, or http on loopback.
        client_id: as registered.
        client_secret: as registered; None for a public client.
        client_auth: how the client proves itself. "basic": an Authorization header, both parts percent-encoded as RFC
            6749 section 2.3.1 says. "basic_raw": the same header with both parts as they are, for servers that decode
            nothing. "body": id and secret in the form. "none": a public client, which only names itself. By default
            "basic" with a secret and "none" without.
        revocation_url: where tokens are revoked (RFC 7009), if the server offers it.
        name: how errors call the server.
        headers: what the server wants on every call beside the usual. An ``Authorization`` here is sent as it is and
            takes the place of the default "basic".
        token_types: further words for the type of a bearer token, beside "Bearer" and "BearerToken". The token
            is still sent as ``Bearer``.
        transport: carries the calls; the caller who made it closes it.
        policy: pauses and deadline of repeated calls, where no transport is given.
        clock: where time comes from, where no transport is given.
        user_agent: sent with every call, where no transport is given.
        session: a session of yours whose connector, proxy and trust carry the calls; never closed here. Its cookies,
            headers and middlewares are left out.
        proxy: the address of a proxy, in place of those of the environment.
        ssl_context: whom to trust, and which certificate to show.

    Raises:
        ConfigurationError: an address is unsafe, settings contradict each other, the client id cannot be carried, or
            certificates would not be checked.
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
        token_types: Collection[str] = (),
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
        self._ready_made = _has_authorization(self._headers)
        if self._client_auth == "basic_raw" and ":" in self._client_id:
            # RFC 7617 section 2: the first colon ends the user id
            raise ConfigurationError(
                "client_auth='basic_raw' cannot carry a client_id with a colon: the rest of it would become part of the "
                "secret. Use 'basic', which encodes it, or 'body'"
            )
        if self._ready_made and client_auth in {"basic", "basic_raw"}:
            raise ConfigurationError(
                f"client_auth={client_auth!r} and the Authorization in headers contradict each other: give one of them"
            )
        self._token_types = _token_types(token_types)
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
    def address(self) -> str:
        """Where tokens come from."""
        return str(self._token_url)

    @property
    def name(self) -> str:
        """How errors call the server."""
        return self._name

    def key(self, vendor: str, *parts: str | Secret | None) -> StoreKey:
        """Return a key for `TokenManager`.

        Args:
            vendor: a short name of the server.
            parts: what else tells this token from others of the same client: scope, or the person who signed in.
        """
        identity = identity_digest(self._client_id, self._secret, *parts)
        return StoreKey(vendor=vendor, base_url=str(self._token_url), identity=identity)

    async def token(self, operation: Operation, parameters: Parameters, *, repeatable: bool = False) -> Token:
        """Ask for a token.

        Args:
            operation: what for; gives the grant type.
            parameters: of the grant.
            repeatable: may be sent again although the server may have acted on it. A code may not, nor a refresh
                token that rotates: a server that sees one twice takes it for stolen and revokes everything.

        Raises:
            NauthError: see `nauth.oauth2.errors` for refusals and `nauth.transport` for the rest.
        """
        fields = {"grant_type": _GRANT_TYPES[operation], **parameters}
        answer = await self._post(self._token_url, fields, repeatable=repeatable)
        hide = self._sent(fields)
        return read_token(answer, operation, name=self._name, token_types=self._token_types, hide=hide)

    async def refresh(
        self, token: Token, *, scope: str | None = None, parameters: Parameters | None = None
    ) -> Token:
        """Exchange `token.refresh_token` (RFC 6749 section 6). It is sent once: see `token`.

        Args:
            token: holds the refresh token.
            scope: less than was granted; None leaves it as it is.
            parameters: further form fields.

        Raises:
            CredentialsRejectedError: refused for good.
            NauthError: as for `token`.
        """
        return await self.token(
            Operation.REFRESH_TOKEN,
            {**(parameters or {}), "refresh_token": token.refresh_token, "scope": scope},
        )

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
            raise refusal(answer, Operation.REVOCATION, name=self._name, hide=self._sent({"token": token}))

    async def _post(self, url: URL, fields: Parameters, *, repeatable: bool) -> Answer:
        request = Request(
            method="POST",
            url=url,
            headers=self._signed_headers(),
            body=_form({**fields, **self._client_fields()}),
            repeatable=repeatable,
        )
        return await self._transport.send(request)

    def _sent(self, fields: Parameters) -> Hidden:
        """Return the secrets that a call has sent: no error quotes a server that repeats one."""
        return (self._secret, *(value for value in fields.values() if isinstance(value, Secret)))

    def _client_fields(self) -> Parameters:
        match self._client_auth:
            case "basic" | "basic_raw":
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
        if self._secret is not None and not self._ready_made:
            if self._client_auth == "basic":
                headers["Authorization"] = _basic(
                    _quoted(self._client_id), Secret(_quoted(self._secret.reveal()))
                )
            elif self._client_auth == "basic_raw":
                headers["Authorization"] = _basic(self._client_id, self._secret)
        return headers


def _form(fields: Parameters) -> bytes:
    return urlencode(
        [
            (name, value.reveal() if isinstance(value, Secret) else value)
            for name, given in fields.items()
            for value in ([given] if isinstance(given, str | Secret) else given or ())
        ],
        # a lone surrogate is sent as it is: the server refuses it as it refuses any wrong code or secret
        errors="surrogatepass",
    ).encode("ascii")


def _basic(client_id: str, secret: Secret) -> str:
    pair = f"{client_id}:{secret.reveal()}".encode("utf-8", "surrogatepass")
    return f"Basic {base64.b64encode(pair).decode()}"


def _quoted(text: str) -> str:
    # RFC 6749 section 2.3.1: both parts are encoded first, or a colon in the id would move the border. A space becomes
    # %20 and no plus: every server that decodes understands the former, some not the latter
    return quote(text, safe="", errors="surrogatepass")


def _has_authorization(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "authorization" for name in headers)


def _token_types(given: object) -> frozenset[str]:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise ConfigurationError(f"token_types must be a list of words, not {type(given).__name__}")
    words = cast("Collection[object]", given)
    if not all(isinstance(word, str) for word in words):
        raise ConfigurationError("token_types must hold text only")
    return frozenset(str(word).strip().lower() for word in words)


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
    raise ConfigurationError("client_auth must be 'basic', 'basic_raw', 'body' or 'none'")
