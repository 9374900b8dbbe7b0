"""`KeyringSecret`: an item of the operating system's keyring (extra ``keyring``)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from nauth.daemon_thread import run_in_daemon
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.sources.base import Fields, SourceRefusedError, SourceUnavailableError, parse_object
from nauth.sources.optional_import import needed

__all__ = ["KeyringSecret", "encrypting_backend", "load_backends"]

_BACKENDS = (
    ("keyring.backends.macOS", "Keyring"),
    ("keyring.backends.Windows", "WinVaultKeyring"),
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.libsecret", "Keyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
)
"""The keyrings that encrypt. keyring's own choice is not asked: it may be a chain with a plaintext file in it."""

_ITEM = "credentials"


class Backend(Protocol):
    """What is needed of a keyring's backend."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return an item, or None."""
        ...


class KeyringSecret:
    """An item of the operating system's keyring. Every program of the same user may read it without a question.

    Store it with ``keyring set SERVICE credentials`` and paste the JSON object.

    Args:
        service: the name of the service in the keyring.
        names: field -> name of the item that holds it; by default one item named ``credentials`` holds a JSON object.
        backend: your own backend; by default the first of macOS, Windows, Secret Service, libsecret and KWallet that
            works here. A plaintext file is never one of them.
        timeout: of one question. A keyring that asks a person may wait for ever; the program's end does not.
    """

    def __init__(
        self,
        service: str,
        *,
        names: Mapping[str, str] | None = None,
        backend: Backend | None = None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._service = service
        self._names = None if names is None else dict(names)
        self._backend = backend
        self._timeout_s = timeout.total_seconds()

    def __repr__(self) -> str:
        return f"KeyringSecret({self._service!r})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        return f"keyring:{self._service}"

    async def read(self) -> Fields:
        """Read the items, in a thread of its own.

        Raises:
            SourceRefusedError: there is no such item, or no keyring that encrypts.
            SourceUnavailableError: the keyring is locked, or does not answer.
        """
        if self._backend is None:
            await load_backends()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await run_in_daemon(self._read, name="nauth keyring")
        except TimeoutError:
            pass
        except NauthError:
            raise
        except Exception as error:  # noqa: BLE001 - of a backend; its text may hold anything
            problem = f"failed with {type(error).__name__}"
            raise SourceUnavailableError(
                f"{self.name} {problem}", source=self.name, problems=(problem,)
            ) from None
        raise SourceUnavailableError(
            f"{self.name} did not answer within {self._timeout_s:g} s: the keyring may be locked and waiting for a "
            "person. Unlock it, or use another source",
            source=self.name,
            problems=("no answer",),
        )

    def _read(self) -> Fields:
        errors = needed("keyring.errors", extra="keyring", what="KeyringSecret")
        backend = self._backend or encrypting_backend(self.name)
        try:
            if self._names is None:
                return parse_object(self._item(backend, _ITEM), source=self.name, version=None)
            return Fields({field: self._item(backend, item) for field, item in self._names.items()})
        except errors.KeyringLocked:
            problem = "is locked: unlock it, or use another source"
        except errors.KeyringError as error:
            problem = f"failed ({type(error).__name__})"
        raise SourceUnavailableError(f"{self.name} {problem}", source=self.name, problems=(problem,))

    def _item(self, backend: Backend, item: str) -> Secret:
        value = backend.get_password(self._service, item)
        if value is None:
            raise SourceRefusedError(
                f"{self.name} has no item {item!r}: store it with: keyring set {self._service} {item}",
                source=self.name,
                problems=(f"{item}: missing",),
            )
        return Secret(value.strip())


async def load_backends() -> None:
    """Import the keyrings' modules, in a thread, so that the limit of a question is the keyring's alone.

    On a machine under load the imports take seconds.
    """
    # what is missing is said by the question itself
    with contextlib.suppress(SourceRefusedError):
        await run_in_daemon(_load, name="nauth keyring")


def _load() -> None:
    for module, _ in _BACKENDS:
        needed(module, extra="keyring", what="the keyring")


def encrypting_backend(name: str) -> Any:
    """Return the first keyring here that encrypts. keyring's own choice is not asked: see `_BACKENDS`.

    Args:
        name: what it is for, in errors.

    Raises:
        SourceRefusedError: there is none, or the extra is missing.
    """
    for module, kind_name in _BACKENDS:
        kind: Any = getattr(needed(module, extra="keyring", what=name), kind_name)
        if kind.viable:
            return kind()
    raise SourceRefusedError(
        f"{name}: there is no keyring that encrypts on this machine (macOS, Windows, Secret Service, KWallet). A "
        "plaintext keyring is not used; give the credential by another source",
        source=name,
        problems=("no keyring",),
    )
