"""Credentials for Nomad Media, one class for each way to sign in: frozen data, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from nauth.clock import Clock, SystemClock
from nauth.credential_digest import identity_digest, process_digest, slow_digest
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.sources.client_setup import CredentialFields
from nomadauth.sso import check_provider, hidden, parse_callback

__all__ = [
    "FIELDS",
    "VARIABLES",
    "NomadApiKey",
    "NomadCredentials",
    "NomadPassword",
    "NomadSSO",
    "NomadStaticToken",
    "read_credentials",
]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"a user name or application id must be text, not {type(value).__name__}")
    return value.strip()


def _maybe_text(value: object) -> str | None:
    return None if value is None else _text(value) or None


def _wrapped(value: object, what: str) -> Secret:
    if not isinstance(value, str | Secret):
        raise ConfigurationError(f"{what} must be text, not {type(value).__name__}")
    return Secret(str(value)) if isinstance(value, str) else value


def _password(value: str | Secret) -> Secret:
    # white space may be part of what a person chose
    return _wrapped(value, "NomadPassword(password=...)")


def _token(value: str | Secret) -> Secret:
    return Secret.of(_wrapped(value, "a token or key"))


def _maybe_token(value: str | Secret | None) -> Secret | None:
    return None if value is None else _token(value) or None


def _present(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not value:
        raise ConfigurationError(f"{type(instance).__name__}({attribute.name}=...) is empty")


def _usable(instance: object, attribute: attrs.Attribute[Any], value: Secret) -> None:
    _present(instance, attribute, value)
    if not value.sendable:
        raise ConfigurationError(
            f"{type(instance).__name__}({attribute.name}=...) cannot stand in a header: it has white space, a line "
            "break or a character outside ASCII in it. Copy it anew, without the word Bearer or ApiKey"
        )


def _aware(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise ConfigurationError(f"NomadSSO({attribute.name}=...) must be an aware datetime")


@attrs.frozen
class NomadPassword:
    """User name and password, exchanged for a token. Use a service account made for it.

    Source: https://docs.nomad.media/docs/authentication-guide

    Attributes:
        username: the login id, usually an e-mail address.
        password: kept as given, white space included.
        application_id: a UUID, if your environment requires one.

    Raises:
        ConfigurationError: a value is empty or of the wrong type.
    """

    username: str = attrs.field(converter=_text, validator=_present)
    password: Secret = attrs.field(converter=_password, validator=_present)
    application_id: str | None = attrs.field(default=None, converter=_maybe_text)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NomadPassword:
        """Read `NOMAD_MEDIA_USERNAME`, `NOMAD_MEDIA_PASSWORD` and, if set, `NOMAD_MEDIA_APPLICATION_ID`.

        Raises:
            ConfigurationError: names every variable that is missing.
        """
        reader = EnvironmentReader(environ)
        name, password, application = _read_password(reader)
        reader.finish("NomadPassword")
        return cls(name, password, application)

    def identity(self, *, persistent: bool = True) -> str:
        """Return the digest that keys the shared token: equal credentials share one session.

        Args:
            persistent: whether the key leaves this process. Then the password goes through scrypt, which takes some
                10 ms of the calling thread the first time; call it off the event loop to spare that.
        """
        salt = f"nomad-media {self.username}"
        digest = slow_digest(self.password, salt) if persistent else process_digest(self.password)
        return identity_digest("password", self.username, self.application_id, digest)


@attrs.frozen
class NomadSSO:
    """The tokens of a single sign-on. Only a person can get others, by signing in again.

    Source: https://docs.nomad.media/docs/authentication-guide

    Attributes:
        provider: the word your environment was set up with, such as ``"azure"``.
        token: the bearer token.
        refresh_token: renews it; None if there was none.
        expires_at: expiry of the token, if the browser's address stated it; else the token's own claims count.

    Raises:
        ConfigurationError: a value is empty, of the wrong type or cannot be sent.
    """

    provider: str = attrs.field(converter=check_provider)
    token: Secret = attrs.field(converter=_token, validator=_usable)
    refresh_token: Secret | None = attrs.field(default=None, converter=_maybe_token)
    expires_at: datetime | None = attrs.field(default=None, kw_only=True, validator=_aware)

    @classmethod
    def from_callback(
        cls, returned: str | Secret, *, provider: str | None = None, clock: Clock | None = None
    ) -> NomadSSO:
        """Read the address the browser came back to; see `nomadauth.sso.parse_callback`.

        Args:
            returned: the whole address or its query. A secret: it is never logged and in no error.
            provider: the word in the login URL; None takes the prefix of the keys for it.
            clock: source of time, for an expiry given in seconds; the machine's clock if None.

        Raises:
            NomadMalformedResponseError: the address holds no token, or several.
            ConfigurationError: a token in it cannot be sent in a header.
        """
        now = datetime.fromtimestamp((clock or SystemClock()).wall(), UTC)
        returned = hidden(returned)  # from here on no frame holds it unwrapped
        found = parse_callback(returned, provider=provider, now=now)
        return cls(
            found.prefix if provider is None else provider,
            found.token,
            found.refresh_token,
            expires_at=found.expires_at,
        )

    def identity(self) -> str:
        """Return the digest that keys the shared token."""
        return identity_digest("sso", self.provider, self.token, self.refresh_token)


@attrs.frozen
class NomadStaticToken:
    """A fixed token, sent as `Authorization: Bearer`. Never expires; a 401 is final.

    Nomad does not recommend it for production: it is hard to rotate.
    https://docs.nomad.media/docs/authentication-guide

    Attributes:
        token: the token, without the word ``Bearer``.

    Raises:
        ConfigurationError: the token is empty or cannot stand in a header.
    """

    token: Secret = attrs.field(converter=_token, validator=_usable)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NomadStaticToken:
        """Read `NOMAD_MEDIA_STATIC_TOKEN`.

        Raises:
            ConfigurationError: it is not set.
        """
        reader = EnvironmentReader(environ)
        token = reader.required_secret("NOMAD_MEDIA_STATIC_TOKEN")
        reader.finish("NomadStaticToken")
        return cls(token)

    def identity(self) -> str:
        """Return the digest that keys the shared token."""
        return identity_digest("static", self.token)


@attrs.frozen
class NomadApiKey:
    """A fixed key, sent as `Authorization: ApiKey`. Never expires; a 401 is final.

    Source: Nomad's Python SDK and the readme of https://github.com/Nomad-Media/nomad-sdk; the documentation does not
    mention it.

    Attributes:
        key: the key, without the word ``ApiKey``.

    Raises:
        ConfigurationError: the key is empty or cannot stand in a header.
    """

    key: Secret = attrs.field(converter=_token, validator=_usable)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NomadApiKey:
        """Read `NOMAD_MEDIA_API_KEY`.

        Raises:
            ConfigurationError: it is not set.
        """
        reader = EnvironmentReader(environ)
        key = reader.required_secret("NOMAD_MEDIA_API_KEY")
        reader.finish("NomadApiKey")
        return cls(key)

    def identity(self) -> str:
        """Return the digest that keys the shared token."""
        return identity_digest("apikey", self.key)


NomadCredentials: TypeAlias = NomadPassword | NomadSSO | NomadStaticToken | NomadApiKey
"""Every way to sign in."""

_PASSWORD = ("NOMAD_MEDIA_USERNAME", "NOMAD_MEDIA_PASSWORD", "NOMAD_MEDIA_APPLICATION_ID")
_STATIC, _KEY = "NOMAD_MEDIA_STATIC_TOKEN", "NOMAD_MEDIA_API_KEY"


def read_credentials(reader: EnvironmentReader) -> Callable[[], NomadCredentials] | None:
    """Choose the way to sign in that the environment has variables for; faults are left to `reader` to report.

    Returns:
        A function that makes the credential, to be called after `reader.finish`; None if none can be chosen.
    """
    groups = [
        found
        for group in (_PASSWORD, (_STATIC,), (_KEY,))
        if (found := [name for name in group if reader.optional(name) is not None])
    ]
    if not groups:
        reader.fault(f"no credentials: set one of {' and '.join(_PASSWORD[:2])}; {_STATIC}; {_KEY}")
        return None
    if len(groups) > 1:
        # only those that are set: the rest of a group would be looked for in vain
        shown = "; ".join(" and ".join(group) for group in groups)
        reader.fault(f"these are set and contradict each other, unset all but one way to sign in: {shown}")
    if groups[0] == [_PASSWORD[2]]:
        if len(groups) > 1:
            return None  # left over
        reader.fault(f"{_PASSWORD[2]} is set, and goes with a user name and password")
    if groups[0][0] in _PASSWORD:
        name, password, application = _read_password(reader)
        return lambda: NomadPassword(name, password, application)
    if groups[0] == [_STATIC]:
        return lambda: NomadStaticToken(reader.required_secret(_STATIC))
    return lambda: NomadApiKey(reader.required_secret(_KEY))


def _read_password(reader: EnvironmentReader) -> tuple[str, Secret, str | None]:
    name, password, application = _PASSWORD
    return reader.required(name), reader.required_secret(password), reader.optional(application)


def _who(given: NomadCredentials) -> tuple[str, ...]:
    # a token or key names no account but by itself
    return (
        (given.username, given.application_id or "")
        if isinstance(given, NomadPassword)
        else (given.identity(),)
    )


VARIABLES: tuple[str, ...] = (*_PASSWORD, _STATIC, _KEY, "NOMAD_MEDIA_CREDENTIALS")
"""What holds a credential, or names a source of one. Where one of them is set, no remembered login is looked for."""

FIELDS: CredentialFields[NomadCredentials] = CredentialFields(
    prefix="NOMAD_MEDIA_",
    names=(*_PASSWORD, _STATIC, _KEY),
    read=read_credentials,
    kinds=(NomadPassword, NomadStaticToken, NomadApiKey),
    who=_who,
)
"""How a credential stands in the environment and in a source. A single sign-on stands in neither."""
