"""`AzureSecret`: secrets of an Azure Key Vault, read with azure-keyvault-secrets (extra ``azure``)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url
from nauth.secret import Secret
from nauth.sources.base import Fields, not_read, parse_object, refused_by
from nauth.sources.optional_import import needed

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.keyvault.secrets.aio import SecretClient

__all__ = ["AzureSecret"]

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}", re.ASCII)
_LATER = frozenset({408, 429})


class AzureSecret:
    """Secrets of an Azure Key Vault; their newest versions are read at each question.

    Args:
        vault_url: such as ``https://NAME.vault.azure.net``.
        names: the name of one secret that holds a JSON object, or field -> name of the secret that holds it.
        credential: signs in to Azure; ``DefaultAzureCredential`` of azure-identity if None.
        client: your own client of this vault, in the place of `credential`; never closed here.
        timeout: of one question, repeats included.

    Raises:
        ConfigurationError: an unsafe address, or a name that no secret can have. At the first question: a package is
            not installed.
    """

    def __init__(
        self,
        vault_url: str | URL,
        names: str | Mapping[str, str],
        *,
        credential: AsyncTokenCredential | None = None,
        client: SecretClient | None = None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._vault_url = parse_base_url(vault_url, setting="vault_url")
        self._names = names if isinstance(names, str) else dict(names)
        for name in [names] if isinstance(names, str) else names.values():
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    "a Key Vault secret's name has letters, digits and hyphens only: write nomba-client-secret, not "
                    "nomba_client_secret"
                )
        self._credential: Any = credential
        self._client: Any = client
        self._timeout_s = timeout.total_seconds()

    def __repr__(self) -> str:
        return f"AzureSecret({self.name})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        names = self._names if isinstance(self._names, str) else ",".join(self._names.values())
        return f"azure:{self._vault_url.host}/{names}"

    async def read(self) -> Fields:
        """Read the newest versions.

        Raises:
            SourceRefusedError: no such secret, no right to it, or the wrong content.
            SourceUnavailableError: Azure could not be reached in time, or says to come back later.
        """
        exceptions = needed("azure.core.exceptions", extra="azure", what="AzureSecret")
        refused: tuple[str, str] | None = None
        try:
            async with asyncio.timeout(self._timeout_s), AsyncExitStack() as stack:
                return await self._read(self._client or await self._opened(stack))
        except exceptions.ResourceNotFoundError:
            refused = ("SecretNotFound", "there is no such secret in this vault")
            problem = ""
        except exceptions.ClientAuthenticationError as error:
            refused = (type(error).__name__, "Azure does not accept the credential of this process")
            problem = ""
        except exceptions.HttpResponseError as error:
            status = int(error.status_code or 0)
            if 400 <= status < 500 and status not in _LATER:  # noqa: PLR2004 - RFC 9110 section 15.5
                refused = (_code(error), "this identity may not read it, or the secret is disabled")
            problem = f"Azure answered HTTP {status}"
        except (exceptions.AzureError, TimeoutError, OSError) as error:
            problem = f"Azure could not be reached ({type(error).__name__})"
        # outside the handlers: the frames of the client hold the response
        if refused is not None:
            raise refused_by(self.name, refused[1], refused[0])
        raise not_read(self.name, problem, within_s=self._timeout_s)

    async def _opened(self, stack: AsyncExitStack) -> Any:
        secrets = needed("azure.keyvault.secrets.aio", extra="azure", what="AzureSecret")
        credential = self._credential
        if credential is None:
            identity = needed("azure.identity.aio", extra="azure", what="AzureSecret(credential=None)")
            credential = await stack.enter_async_context(identity.DefaultAzureCredential())
        client = secrets.SecretClient(
            str(self._vault_url),
            credential,
            retry_total=1,
            connection_timeout=self._timeout_s,
            read_timeout=self._timeout_s,
        )
        return await stack.enter_async_context(client)

    async def _read(self, client: Any) -> Fields:
        if isinstance(self._names, str):
            value, version = await _value(client, self._names)
            return parse_object(value, source=self.name, version=version)
        return Fields({field: (await _value(client, name))[0] for field, name in self._names.items()})


async def _value(client: Any, name: str) -> tuple[Secret, str | None]:
    secret = await client.get_secret(name)
    return Secret((secret.value or "").strip()), secret.properties.version


def _code(error: Any) -> str:
    """Return Azure's own code for a refusal: the inner one, such as ForbiddenByPolicy, where there is one."""
    inner: Any = getattr(error.error, "innererror", None)
    outer: Any = getattr(error.error, "code", None)
    return str((inner["code"] if inner else outer) or "refused")
