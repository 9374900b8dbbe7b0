"""Credentials for Noyo: frozen data, no I/O."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from nauth.credential_digest import identity_digest
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.sources import Function, Source
from nauth.sources.client_setup import CredentialFields

__all__ = ["FIELDS", "NoyoCredentialSource", "NoyoCredentials", "current", "is_plain"]


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"NoyoCredentials takes text, not {type(value).__name__}")
    return value.strip()


def _secret(value: str | Secret) -> Secret:
    try:
        return Secret.of(value)
    except TypeError as error:
        raise ConfigurationError(f"NoyoCredentials(client_secret=...): {error}") from None


def _sendable(_: object, attribute: attrs.Attribute[Any], value: str | Secret) -> None:
    if not value:
        raise ConfigurationError(
            f"NoyoCredentials({attribute.name}=...) is empty. An admin of your organization makes API keys in the Noyo "
            "app (formerly Command Center)"
        )
    if any("\ud800" <= char <= "\udfff" for char in (value if isinstance(value, str) else value.reveal())):
        raise ConfigurationError(
            f"NoyoCredentials({attribute.name}=...) holds half a character: it was not read as UTF-8"
        )


def _no_colon(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    # RFC 7617 section 2: the first colon ends the user id, so the rest of this one would become part of the secret
    if ":" in value:
        raise ConfigurationError(
            f"NoyoCredentials({attribute.name}=...) holds a colon, which HTTP Basic cannot carry there. Were id and "
            "secret pasted together?"
        )


@attrs.frozen
class NoyoCredentials:
    """One API key of one organization. The key decides the environment: sandbox, or live only.

    White space around each value is dropped.

    Source: https://docs.noyo.com/docs/introduction/getting-started/authentication

    Attributes:
        client_id: the key's `CLIENT_ID`.
        client_secret: the key's `CLIENT_SECRET`.

    Raises:
        ConfigurationError: a value is empty, of the wrong type or cannot be sent; the id holds a colon.
    """

    client_id: str = attrs.field(converter=_plain, validator=[_sendable, _no_colon])
    client_secret: Secret = attrs.field(converter=_secret, validator=_sendable)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NoyoCredentials:
        """Read `NOYO_CLIENT_ID` and `NOYO_CLIENT_SECRET`.

        Raises:
            ConfigurationError: names every variable that is missing.
        """
        reader = EnvironmentReader(environ)
        read = cls.read(reader)
        reader.finish("NoyoCredentials")
        return cls(client_id=read[0], client_secret=read[1])

    @staticmethod
    def read(reader: EnvironmentReader) -> tuple[str, Secret]:
        """Return client id and secret, leaving missing variables for `reader` to report."""
        return reader.required("NOYO_CLIENT_ID"), reader.required_secret("NOYO_CLIENT_SECRET")

    @property
    def authorization(self) -> str:
        """The token call's `Authorization` header, which is base64 of ``id:secret`` in UTF-8, not percent-encoded first.

        RFC 6749 section 2.3.1 would encode; Noyo does not. A secret: use it in the expression that sends it.
        """
        return (
            f"Basic {base64.b64encode(f'{self.client_id}:{self.client_secret.reveal()}'.encode()).decode()}"
        )

    def identity(self) -> str:
        """Return the digest that keys the shared token: equal credentials share one token."""
        return identity_digest(self.client_id, self.client_secret)


NoyoCredentialSource: TypeAlias = NoyoCredentials | Callable[[], NoyoCredentials]
"""Credentials, or a function that returns the current ones. It is called for each token, so a rotated key is found."""


def is_plain(given: object) -> bool:
    """Tell whether `given` is a credential, or a function that returns one at once."""
    if isinstance(given, NoyoCredentials):
        return True
    if not callable(given) or isinstance(given, Function | Source | type):
        return False
    return not any(map(inspect.iscoroutinefunction, (given, type(given).__call__)))


def current(source: object) -> NoyoCredentials:
    """Return the current credentials of `source`.

    Raises:
        ConfigurationError: it is, or returned, something else. The text names the type only.
    """
    found: object = source() if callable(source) else source
    if isinstance(found, NoyoCredentials):
        return found
    raise ConfigurationError(
        f"credentials must be NoyoCredentials, or a function that returns them, not {type(found).__name__}: "
        "NoyoClient(NoyoCredentials(client_id=..., client_secret=...))"
    )


def _read(reader: EnvironmentReader) -> Callable[[], NoyoCredentials] | None:
    client_id, secret = NoyoCredentials.read(reader)
    # what is missing is reported by the reader, and not once more by the class
    return (
        (lambda: NoyoCredentials(client_id=client_id, client_secret=secret)) if client_id and secret else None
    )


FIELDS: CredentialFields[NoyoCredentials] = CredentialFields(
    prefix="NOYO_",
    names=("NOYO_CLIENT_ID", "NOYO_CLIENT_SECRET"),
    read=_read,
    kinds=(NoyoCredentials,),
    who=lambda given: (given.client_id,),
)
"""How a key stands in the environment and in a source."""
