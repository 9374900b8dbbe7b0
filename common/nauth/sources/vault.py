"""`VaultSecret`: a secret of HashiCorp Vault or OpenBao, KV version 1 or 2, over nauth's own transport."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Literal, cast

from yarl import URL

from nauth.clock import SystemClock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError, MalformedResponseError, NauthError
from nauth.origins import parse_base_url
from nauth.secret import Secret
from nauth.sources.base import Fields, SourceRefusedError, SourceUnavailableError, fields_of_object
from nauth.token import RenewalPolicy
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.token_calls import token_calls
from nauth.wire.json_text import parse_json

__all__ = ["VaultSecret"]

VaultToken = str | Secret | Callable[[], Awaitable[str | Secret]]

_FORBIDDEN = 403
_LATER = frozenset({412, 429, 472, 473})
"""A standby that is behind, a rate limit, and standbys that do not answer."""


class VaultSecret:
    """A secret of a KV engine; its newest version is read at each question.

    Redirects are not followed: a standby's redirect would carry the token to another address.

    Args:
        path: of the secret below the mount, such as ``prod/nomba``.
        mount: of the KV engine.
        kv: its version.
        address: of the server; from `VAULT_ADDR` if None.
        token: signs in to Vault: a text, or an async function that is asked again when Vault refuses the last one. From
            `VAULT_TOKEN` or `VAULT_TOKEN_FILE` if None.
        wrapped: `token` is a wrapping token. It is opened once, and the token in it is kept in memory.
        namespace: of Vault Enterprise; from `VAULT_NAMESPACE` if None.
        timeout: of one question, repeats included.
        transport: carries the calls; closed by the caller. By default one is made for each question.

    Raises:
        ConfigurationError: there is no address, or an unsafe one.
    """

    def __init__(
        self,
        path: str,
        *,
        mount: str = "secret",
        kv: Literal[1, 2] = 2,
        address: str | URL | None = None,
        token: VaultToken | None = None,
        wrapped: bool = False,
        namespace: str | None = None,
        timeout: timedelta = timedelta(seconds=5),
        transport: Transport | None = None,
    ) -> None:
        if kv not in {1, 2}:
            raise ConfigurationError("VaultSecret(kv=...) must be 1 or 2")
        given = address if address is not None else os.environ.get("VAULT_ADDR")
        if not given:
            raise ConfigurationError("which Vault is meant? Set address (VAULT_ADDR)")
        self._address = parse_base_url(given, setting="address (VAULT_ADDR)")
        self._mount, self._path, self._kv = mount.strip("/"), path.strip("/"), kv
        self._token = token
        self._wrapped = wrapped
        self._opened: Secret | None = None
        self._namespace = namespace or os.environ.get("VAULT_NAMESPACE")
        self._policy = RenewalPolicy(deadline=timeout)
        self._transport = transport

    def __repr__(self) -> str:
        return f"VaultSecret({self.name})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        space = f"{self._namespace.strip('/')}/" if self._namespace else ""
        return f"vault:{self._address.host}/{space}{self._mount}/{self._path}"

    async def read(self) -> Fields:
        """Read the newest version.

        Raises:
            SourceRefusedError: no such secret, no right to it, or Vault's answer is no KV secret.
            SourceUnavailableError: Vault is sealed, behind, throttled or out of reach.
        """
        transport = self._transport or token_calls(
            user_agent="nauth", policy=self._policy, clock=SystemClock()
        )
        try:
            answer = await self._get(transport)
        finally:
            if self._transport is None:
                await transport.aclose()
        if not answer.ok:
            raise self._refusal(answer, "reading the secret")
        return self._fields(answer)

    async def _get(self, transport: Transport) -> Answer:
        token = await self._login(transport)
        answer = await self._send(transport, "GET", self._url(), token)
        if answer.status == _FORBIDDEN and callable(self._token) and not self._wrapped:
            # a policy, or a token that has expired: a new token tells
            newer = await self._login(transport)
            if newer != token:
                return await self._send(transport, "GET", self._url(), newer)
        return answer

    def _url(self) -> URL:
        middle = ["data"] if self._kv == 2 else []  # noqa: PLR2004 - of the API, not a number
        return self._address.joinpath("v1", *self._mount.split("/"), *middle, *self._path.split("/"))

    async def _login(self, transport: Transport) -> Secret:
        if self._opened is not None:
            return self._opened
        given = self._token
        token = (
            Secret.of(await given() if callable(given) else given)
            if given is not None
            else _from_environment()
        )
        if not self._wrapped:
            return token
        answer = await self._send(
            transport,
            "POST",
            self._address.joinpath("v1", "sys", "wrapping", "unwrap"),
            token,
            repeatable=False,
        )
        if not answer.ok:
            raise self._refusal(answer, "opening the wrapping token")
        auth = _member(_document(answer), "auth").get("client_token")
        if type(auth) is not str:
            raise SourceRefusedError(
                f"{self.name}: the wrapping token holds no login token",
                source=self.name,
                problems=("auth.client_token",),
            )
        self._opened = Secret(auth)
        return self._opened

    async def _send(
        self, transport: Transport, method: str, url: URL, token: Secret, *, repeatable: bool = True
    ) -> Answer:
        headers = {"X-Vault-Token": token.reveal(), "X-Vault-Request": "true", "Accept": "application/json"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        request = Request(method=method, url=url, headers=headers, repeatable=repeatable)
        del headers  # else an error tracker would print the token with this frame
        try:
            return await transport.send(request)
        except ConfigurationError:
            raise
        except NauthError as error:
            kind = type(error).__name__
        raise SourceUnavailableError(
            f"{self.name} was not read: {self._address.host} could not be reached ({kind}). It is asked again at the "
            "next sign-in",
            source=self.name,
            problems=(kind,),
        )

    def _refusal(self, answer: Answer, doing: str) -> NauthError:
        status = answer.status
        if status >= 500 or status in _LATER:  # noqa: PLR2004 - RFC 9110 section 15.6
            return SourceUnavailableError(
                f"{self.name}: Vault cannot answer now (HTTP {status}): it is sealed, behind or busy",
                source=self.name,
                problems=(f"HTTP {status}",),
                status=status,
            )
        match status:
            case 404:
                why = "there is no such secret. Check mount, path and the version of the KV engine"
            case 403:
                why = "Vault refuses the token: it has expired, or its policy does not allow the path"
            case 400 if self._wrapped and self._opened is None:
                why = (
                    "the wrapping token is not valid. It opens once: another process may have opened it, and then the "
                    "login in it must be withdrawn"
                )
            case _ if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
                why = "the answer is a redirect, which would carry the token along. Set VAULT_ADDR to the active server"
            case _:
                why = "Vault refuses the request"
        return SourceRefusedError(
            f"{self.name}: {doing} failed: {why} (HTTP {status})",
            source=self.name,
            problems=(f"HTTP {status}",),
            status=status,
        )

    def _fields(self, answer: Answer) -> Fields:
        data = _member(_document(answer), "data")
        if self._kv == 1:
            return fields_of_object(data, source=self.name)
        version = _member(data, "metadata").get("version")
        if not isinstance(data.get("data"), dict):
            raise SourceRefusedError(
                f"{self.name}: the response holds no secret. Is the mount of KV version 1? Then give kv=1",
                source=self.name,
                problems=("data.data",),
            )
        return fields_of_object(
            data["data"], source=self.name, version=None if version is None else str(version)
        )


def _from_environment() -> Secret:
    reader = EnvironmentReader()
    token = reader.required_secret("VAULT_TOKEN")
    reader.finish("VaultSecret")
    return token


def _document(answer: Answer) -> object:
    try:
        return parse_json(answer.body)
    except MalformedResponseError:
        return None


def _member(document: object, name: str) -> Mapping[str, object]:
    value = cast("dict[str, object]", document).get(name) if isinstance(document, dict) else None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
