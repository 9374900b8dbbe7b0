"""Sources: where credentials live outside of the code, read at sign-in and followed when they are rotated.

::

    async with NombaClient(AwsSecret("prod/nomba")) as nomba: ...

or, without code, ``NOMBA_CREDENTIALS=aws:prod/nomba``; see `parse_source` for the forms.

Each heavy package is an extra, imported when a source first needs it.
"""

from __future__ import annotations

from nauth.sources.aws import AwsSecret
from nauth.sources.azure import AzureSecret
from nauth.sources.base import Fields, Source, SourceRefusedError, SourceUnavailableError
from nauth.sources.choose import AnySource, parse_source
from nauth.sources.environment import Environment
from nauth.sources.files import SecretFile, SecretFiles
from nauth.sources.function import Function
from nauth.sources.keyring import KeyringSecret
from nauth.sources.vault import VaultSecret

__all__ = [
    "AnySource",
    "AwsSecret",
    "AzureSecret",
    "Environment",
    "Fields",
    "Function",
    "KeyringSecret",
    "SecretFile",
    "SecretFiles",
    "Source",
    "SourceRefusedError",
    "SourceUnavailableError",
    "VaultSecret",
    "parse_source",
]
