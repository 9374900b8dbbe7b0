"""Credentials for Nomba: frozen data, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from nauth.credential_digest import identity_digest
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.sources.client_setup import CredentialFields

__all__ = ["FIELDS", "NombaCredentials"]


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"NombaCredentials takes text, not {type(value).__name__}")
    return value.strip()


def _secret(value: str | Secret) -> Secret:
    try:
        return Secret.of(value)
    except TypeError as error:
        raise ConfigurationError(f"NombaCredentials(client_secret=...): {error}") from None


def _present(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not value:
        raise ConfigurationError(
            f"NombaCredentials({attribute.name}=...) is empty. The dashboard shows it under Developers, API keys; "
            "the client secret is called 'private key' there"
        )


@attrs.frozen
class NombaCredentials:
    """One API key of one Nomba business.

    No length is checked: the published specification says 44 characters for a secret that really has 88. White
    space around each value is dropped.

    Source: https://developer.nomba.com/docs/api-basics/authentication

    Attributes:
        client_id: the key's id, a UUID.
        client_secret: the key's secret, "private key" in the dashboard.
        account_id: the id of the **parent** account, also when a sub-account is being used.

    Raises:
        ConfigurationError: a value is empty or of the wrong type.
    """

    client_id: str = attrs.field(converter=_plain, validator=_present)
    client_secret: Secret = attrs.field(converter=_secret, validator=_present)
    account_id: str = attrs.field(converter=_plain, validator=_present)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> NombaCredentials:
        """Read `NOMBA_CLIENT_ID`, `NOMBA_CLIENT_SECRET` (or `NOMBA_PRIVATE_KEY`) and `NOMBA_ACCOUNT_ID`.

        Raises:
            ConfigurationError: names every variable that is missing.
        """
        reader = EnvironmentReader(environ)
        read = cls.read(reader)
        reader.finish("NombaCredentials")
        return cls(client_id=read[0], client_secret=read[1], account_id=read[2])

    @staticmethod
    def read(reader: EnvironmentReader) -> tuple[str, Secret, str]:
        """Return client id, secret and account id, leaving missing variables for `reader` to report."""
        return (
            reader.required("NOMBA_CLIENT_ID"),
            reader.required_secret("NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY"),
            reader.required("NOMBA_ACCOUNT_ID"),
        )

    def identity(self) -> str:
        """Return the digest that keys the shared token: equal credentials share one session."""
        return identity_digest(self.client_id, self.account_id, self.client_secret)


def _read(reader: EnvironmentReader) -> Callable[[], NombaCredentials]:
    client_id, secret, account_id = NombaCredentials.read(reader)
    return lambda: NombaCredentials(client_id=client_id, client_secret=secret, account_id=account_id)


FIELDS: CredentialFields[NombaCredentials] = CredentialFields(
    prefix="NOMBA_",
    names=("NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY", "NOMBA_ACCOUNT_ID"),
    read=_read,
    kinds=(NombaCredentials,),
    who=lambda given: (given.client_id, given.account_id),
)
"""How a key stands in the environment and in a source."""
