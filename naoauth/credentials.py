"""Credentials for NAO Cloud, one class for each way to sign in: frozen data, no I/O.

Source: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from naoauth.config import AUTHORIZE_PATH, REVOKE_PATH, TOKEN_PATH
from nauth.credential_digest import identity_digest, slow_digest
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.logins import Application
from nauth.oauth2.endpoint import ClientAuth
from nauth.secret import Secret
from nauth.sources.client_setup import CredentialFields

__all__ = [
    "FIELDS",
    "VARIABLES",
    "NaoApiKey",
    "NaoCredentials",
    "NaoOAuth",
    "NaoSession",
    "application_fields",
    "application_from",
    "read_credentials",
]

_PATH = re.compile(r"/(?!/)[\x21-\x7e]*", re.ASCII)
_FROM_ENVIRONMENT = "the process environment"


def _hidden(value: str | Secret) -> Secret:
    try:
        return Secret.of(value)
    except TypeError as error:
        raise ConfigurationError(f"a NAO Cloud credential: {error}") from None


def _hidden_or_none(value: str | Secret | None) -> Secret | None:
    return None if value is None else _hidden(value)


def _password(value: str | Secret | None) -> Secret | None:
    # kept as it is: a person may have chosen a space
    try:
        return value if value is None or isinstance(value, Secret) else Secret(value)
    except TypeError as error:
        raise ConfigurationError(f"NaoSession(password=...): {error}") from None


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"a NAO Cloud setting takes text, not {type(value).__name__}")
    return value.strip()


def _plain_or_none(value: object) -> str | None:
    return None if value is None else _plain(value)


def _present(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not value:
        raise ConfigurationError(f"{type(instance).__name__}({attribute.name}=...) is empty")


def _key_like(instance: object, attribute: attrs.Attribute[Any], value: Secret | None) -> None:
    if value is not None and not value.sendable:
        raise ConfigurationError(
            f"{type(instance).__name__}({attribute.name}=...) must be the auth_token from NAO Cloud's My Profile page, "
            "alone: no 'Bearer' before it, no white space in it. (The mobile SDK's API key is another thing.)"
        )


def _path(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if not _PATH.fullmatch(value):
        raise ConfigurationError(
            f"{type(instance).__name__}({attribute.name}=...) must be a path such as {attribute.default!r}; it is looked "
            "for below base_url"
        )


def _client_auth(_: object, __: attrs.Attribute[Any], value: object) -> None:
    if value not in {"body", "basic", "basic_raw"}:
        raise ConfigurationError("NaoOAuth(client_auth=...) must be 'body', 'basic' or 'basic_raw'")


@attrs.frozen
class NaoApiKey:
    """The `auth_token` of one account, sent in `Authorization` without a scheme. Never expires, is never renewed.

    The vendor recommends it for back ends. NAO Cloud calls three things "API key": this is neither the mobile SDK's
    key nor a site's key.

    Args:
        auth_token: from the account's My Profile page.

    Raises:
        ConfigurationError: empty, or more than the key.
    """

    auth_token: Secret = attrs.field(converter=_hidden, validator=_key_like)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NaoApiKey:
        """Read `NAO_AUTH_TOKEN`.

        Raises:
            ConfigurationError: it is missing.
        """
        reader = EnvironmentReader(environ)
        token = reader.required_secret("NAO_AUTH_TOKEN")
        reader.finish("NaoApiKey")
        return cls(token)

    def identity(self) -> str:
        """Return the digest that keys the shared token."""
        return identity_digest("api_key", self.auth_token)


@attrs.frozen
class NaoSession:
    """A JWT from the sessions endpoint, by API key **or** by e-mail and password; sent without a scheme.

    Args:
        auth_token: from the account's My Profile page.
        email: of the account.
        password: of the account. Accounts with two-factor authentication cannot sign in this way: nothing is
            documented for it. Use `auth_token`.
        jwt_key: name of the JWT's member in the response's `meta`, if it is not one of the known names.
        expires_key: name of the expiry's member in `meta`, likewise.

    Raises:
        ConfigurationError: both ways, neither, or half of one.
    """

    auth_token: Secret | None = attrs.field(default=None, converter=_hidden_or_none, validator=_key_like)
    email: str | None = attrs.field(default=None, converter=_plain_or_none)
    password: Secret | None = attrs.field(default=None, converter=_password)
    jwt_key: str | None = attrs.field(default=None, converter=_plain_or_none)
    expires_key: str | None = attrs.field(default=None, converter=_plain_or_none)

    def __attrs_post_init__(self) -> None:
        person = (bool(self.email), bool(self.password))
        if (self.auth_token is not None) == all(person) or (any(person) and not all(person)):
            raise ConfigurationError(
                "NaoSession takes either auth_token, or email and password together; give exactly one of the two"
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NaoSession:
        """Read `NAO_EMAIL` and `NAO_PASSWORD`, or else `NAO_AUTH_TOKEN`.

        Raises:
            ConfigurationError: names every variable that is missing or contradicts another.
        """
        reader = EnvironmentReader(environ)
        # no local holds the token: an error tracker prints them all
        by_key = reader.optional("NAO_AUTH_TOKEN") is not None
        if by_key and not reader.optional("NAO_EMAIL") and not reader.optional("NAO_PASSWORD"):
            return cls(auth_token=reader.required_secret("NAO_AUTH_TOKEN"))
        if by_key:
            reader.fault("NAO_AUTH_TOKEN contradicts NAO_EMAIL and NAO_PASSWORD: set one way to sign in")
        email, password = reader.required("NAO_EMAIL"), reader.required_secret("NAO_PASSWORD")
        reader.finish("NaoSession")
        return cls(email=email, password=password)

    def identity(self) -> str:
        """Return the digest that keys the shared token: equal credentials share one session."""
        person = None if self.password is None else slow_digest(self.password, self.email or "")
        return identity_digest("session", self.auth_token, self.email, person)


@attrs.frozen
class NaoOAuth:
    """A person's consent, by authorization code: an access token sent as Bearer, refreshed if the service allows it.

    Source: https://polestar.zohodesk.com/portal/en/kb/articles/overview-19-9-2024-1. It documents the authorize step
    only. The other paths are the defaults of the software that is likely behind it; each is a setting.

    Args:
        client_id: of the registered application.
        client_secret: of the registered application.
        redirect_uri: the registered callback address.
        account: whose consent this is, where one process serves several people. Clients with equal client id, secret,
            redirect URI and `account` share one token; without an account only clients made with this very object do.
        refresh_token: from an earlier sign-in, so that the person need not sign in again.
        scope: what to ask for, separated by spaces; the service's default if None.
        client_auth: where the secret goes: "body", "basic" or "basic_raw"; see `nauth.oauth2.TokenEndpoint`.
        pkce: use PKCE (RFC 7636). Whether the service knows it is not documented.
        authorize_path: path of the authorization endpoint below the base URL.
        token_path: path of the token endpoint.
        revoke_path: path of the revocation endpoint.

    Raises:
        ConfigurationError: a value is empty or of the wrong form.
    """

    client_id: str = attrs.field(converter=_plain, validator=_present)
    client_secret: Secret = attrs.field(converter=_hidden, validator=_present)
    redirect_uri: str = attrs.field(converter=_plain, validator=_present)
    account: str | None = attrs.field(default=None, converter=_plain_or_none, kw_only=True)
    refresh_token: Secret | None = attrs.field(default=None, converter=_hidden_or_none, kw_only=True)
    scope: str | None = attrs.field(default=None, converter=_plain_or_none, kw_only=True)
    client_auth: ClientAuth = attrs.field(default="body", validator=_client_auth, kw_only=True)
    pkce: bool = attrs.field(default=False, kw_only=True)
    authorize_path: str = attrs.field(default=AUTHORIZE_PATH, validator=_path, kw_only=True)
    token_path: str = attrs.field(default=TOKEN_PATH, validator=_path, kw_only=True)
    revoke_path: str = attrs.field(default=REVOKE_PATH, validator=_path, kw_only=True)
    _own: str = attrs.field(init=False, factory=secrets.token_hex, repr=False, eq=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NaoOAuth:
        """Read `NAO_CLIENT_ID`, `NAO_CLIENT_SECRET` and `NAO_REDIRECT_URI`. One process environment is one account.

        Raises:
            ConfigurationError: names every variable that is missing.
        """
        reader = EnvironmentReader(environ)
        client_id, redirect_uri = reader.required("NAO_CLIENT_ID"), reader.required("NAO_REDIRECT_URI")
        secret = reader.required_secret("NAO_CLIENT_SECRET")
        reader.finish("NaoOAuth")
        return cls(
            client_id=client_id, client_secret=secret, redirect_uri=redirect_uri, account=_FROM_ENVIRONMENT
        )

    def for_account(self, account: str) -> NaoOAuth:
        """Return the same application for another person, with a token of its own: ``NaoClient(app.for_account("ada"))``."""
        return attrs.evolve(self, account=account, refresh_token=None)

    def identity(self) -> str:
        """Return the digest that keys the shared token; see `account`."""
        # by default two people must not share a token, even if they use the same application
        alone = self._own if self.account is None and self.refresh_token is None else None
        return identity_digest(
            "oauth",
            self.client_id,
            self.client_secret,
            self.redirect_uri,
            self.account,
            self.refresh_token,
            alone,
        )


NaoCredentials: TypeAlias = NaoApiKey | NaoSession | NaoOAuth


def read_credentials(reader: EnvironmentReader, environ: Mapping[str, str] | None) -> NaoCredentials | None:
    """Return the credential in the environment; missing and contradictory variables are left to `reader` to report.

    OAuth if any of its variables is set; else the session of a person; else the API key.
    """
    oauth = [
        name for name in ("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI") if reader.optional(name)
    ]
    person = [name for name in ("NAO_EMAIL", "NAO_PASSWORD") if reader.optional(name)]
    key = [name for name in ("NAO_AUTH_TOKEN",) if reader.optional(name)]
    groups = [group for group in (oauth, person, key) if group]
    if len(groups) > 1:
        shown = " and ".join(", ".join(group) for group in groups)
        reader.fault(f"{shown} contradict each other: set one way to sign in only")
    if not groups:
        reader.fault(
            "set NAO_AUTH_TOKEN; or NAO_EMAIL and NAO_PASSWORD; or NAO_CLIENT_ID, NAO_CLIENT_SECRET and NAO_REDIRECT_URI; or "
            "let a person sign in once: nauth login nao"
        )
        return None
    kind: type[NaoApiKey | NaoSession | NaoOAuth] = NaoOAuth if oauth else NaoSession if person else NaoApiKey
    wanted = _VARIABLES[kind]
    for name in wanted:
        reader.required(name)
    complete = len(groups) == 1 and all(reader.optional(name) for name in wanted)
    return _made(kind, reader, environ) if complete else None


def _made(
    kind: type[NaoApiKey | NaoSession | NaoOAuth],
    reader: EnvironmentReader,
    environ: Mapping[str, str] | None,
) -> NaoCredentials | None:
    try:
        return kind.from_env(environ)
    except ConfigurationError as error:
        reader.fault(str(error))
        return None


_VARIABLES: Mapping[type[NaoApiKey | NaoSession | NaoOAuth], tuple[str, ...]] = {
    NaoOAuth: ("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI"),
    NaoSession: ("NAO_EMAIL", "NAO_PASSWORD"),
    NaoApiKey: ("NAO_AUTH_TOKEN",),
}


def _read(reader: EnvironmentReader) -> Callable[[], NaoCredentials] | None:
    made = read_credentials(reader, reader.environ)
    if isinstance(made, NaoOAuth):
        reader.fault(
            "NAO_CLIENT_ID, NAO_CLIENT_SECRET and NAO_REDIRECT_URI make an application that people sign in through; give "
            "NaoOAuth(...) in code, or set these variables themselves"
        )
    return None if made is None else lambda: made


def application_fields(application: NaoOAuth) -> Application:
    """Return what is remembered beside a login's token: what renews it."""
    return {
        "client_id": application.client_id,
        "client_secret": application.client_secret,
        "redirect_uri": application.redirect_uri,
        "client_auth": application.client_auth,
        "token_path": application.token_path,
        "revoke_path": application.revoke_path,
    }


def application_from(fields: Application) -> NaoOAuth:
    """Return the application out of `application_fields`."""
    given: dict[str, Any] = dict(fields)
    return NaoOAuth(**given)


def _who(given: NaoCredentials) -> tuple[str, ...]:
    # a key names no account but by itself
    return (
        (given.email,) if isinstance(given, NaoSession) and given.email is not None else (given.identity(),)
    )


VARIABLES = (
    *("NAO_AUTH_TOKEN", "NAO_EMAIL", "NAO_PASSWORD"),
    *("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI", "NAO_CREDENTIALS"),
)
"""What holds a credential, or names a source of one. Where one of them is set, no remembered login is looked for."""

FIELDS: CredentialFields[NaoCredentials] = CredentialFields(
    prefix="NAO_",
    names=("NAO_AUTH_TOKEN", "NAO_EMAIL", "NAO_PASSWORD"),
    fixed=("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI"),
    read=_read,
    kinds=(NaoApiKey, NaoSession),
    who=_who,
)
"""How a credential stands in the environment and in a source. An OAuth application stands in the environment only."""
