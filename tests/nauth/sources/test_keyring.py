"""The operating system's keyring: encrypted ones only, and never in the program's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import keyring.errors
import pytest
from keyring.backends import SecretService

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.sources import KeyringSecret, SourceRefusedError, SourceUnavailableError
from nauth.sources import keyring as module
from nauth.sources.optional_import import needed
from tests.support.secret_service import MISSING, secret_service


class _Backend:
    def __init__(self, items: dict[str, str] | None = None, error: Exception | None = None) -> None:
        self.items = items or {}
        self.error = error
        self.threads: list[threading.Thread] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.threads.append(threading.current_thread())
        if self.error is not None:
            raise self.error
        return self.items.get(f"{service}/{username}")


async def test_one_item_holds_an_object() -> None:
    """Read in a daemon thread: a keyring that hangs holds neither the loop nor the program's end."""
    backend = _Backend({"nomba/credentials": ' {"client_id": "i", "client_secret": "CANARY"}\n'})
    source = KeyringSecret("nomba", backend=backend)
    fields = await source.read()
    assert fields.values == {"client_id": Secret("i"), "client_secret": Secret("CANARY")}
    assert backend.threads[0].daemon
    assert (source.name, repr(source)) == ("keyring:nomba", "KeyringSecret('nomba')")


async def test_one_item_for_each_field() -> None:
    """Named by the caller."""
    source = KeyringSecret("nomba", names={"client_id": "id"}, backend=_Backend({"nomba/id": "i\n"}))
    assert (await source.read()).values == {"client_id": Secret("i")}


@pytest.mark.parametrize(
    "backend, kind, words",
    [
        (_Backend(), SourceRefusedError, "keyring set nomba credentials"),
        (_Backend({"nomba/credentials": "CANARY"}), SourceRefusedError, "holds no JSON"),
        (_Backend(error=keyring.errors.KeyringLocked("CANARY")), SourceUnavailableError, "locked"),
        (_Backend(error=keyring.errors.InitError("CANARY")), SourceUnavailableError, "InitError"),
        (_Backend(error=ValueError("CANARY")), SourceUnavailableError, "ValueError"),
    ],
)
async def test_what_a_keyring_may_say(backend: _Backend, kind: type[Exception], words: str) -> None:
    """Each in its kind, and nothing of its own text."""
    with pytest.raises(kind, match=words) as refused:
        await KeyringSecret("nomba", backend=backend).read()
    assert "CANARY" not in str(refused.value)


async def test_a_keyring_that_hangs() -> None:
    """Ends at its limit; the answer that comes later is dropped."""
    gate = threading.Event()

    class Hanging:
        def get_password(self, service: str, username: str) -> str | None:
            gate.wait()
            return None

    with pytest.raises(SourceUnavailableError, match="waiting for a person"):
        await KeyringSecret("nomba", backend=Hanging(), timeout=timedelta(milliseconds=1)).read()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "nauth keyring":
            await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)


def test_an_answer_after_the_loop_has_ended() -> None:
    """The thread ends without a word."""
    gate = threading.Event()

    class Hanging:
        def get_password(self, service: str, username: str) -> str | None:
            gate.wait()
            return None

    async def leave() -> None:
        with pytest.raises(SourceUnavailableError):
            await KeyringSecret("nomba", backend=Hanging(), timeout=timedelta(milliseconds=1)).read()

    asyncio.run(leave())
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "nauth keyring":
            thread.join()


async def test_only_keyrings_that_encrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first known one that works here; a plaintext file is none, whatever keyring itself would choose."""

    class Usable(_Backend):
        viable = True

        def __init__(self) -> None:
            super().__init__({"nomba/credentials": '{"client_id": "i"}'})

    class Useless:
        viable = False

    kinds: dict[str, Any] = {module_name: Useless for module_name, _ in module._BACKENDS}

    def fake(name: str, **_: str) -> Any:
        if name == "keyring.errors":
            return keyring.errors
        return type("Module", (), {each: kinds[name] for _, each in module._BACKENDS})

    monkeypatch.setattr(module, "needed", fake)
    with pytest.raises(SourceRefusedError, match="no keyring that encrypts"):
        await KeyringSecret("nomba").read()
    kinds["keyring.backends.libsecret"] = Usable
    assert (await KeyringSecret("nomba").read()).values == {"client_id": Secret("i")}


def test_the_known_classes_exist() -> None:
    """In the keyring that is installed."""
    for name, kind in module._BACKENDS:
        assert isinstance(getattr(needed(name, extra="keyring", what="x"), kind).viable, bool)


def test_a_package_that_is_missing() -> None:
    """The error names the extra."""
    with pytest.raises(
        ConfigurationError, match=r"Thing needs the package nowhere: pip install nauth\[aws\]"
    ):
        needed("nowhere.at_all", extra="aws", what="Thing")


needs_a_keyring = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(params=[True])
def service(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A real Secret Service, open or not."""
    with secret_service(tmp_path, unlocked=request.param) as found:
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        yield


@needs_a_keyring
@pytest.mark.slow
@pytest.mark.usefixtures("service")
async def test_a_real_secret_service() -> None:
    """GNOME's keyring over a message bus: found without being named, read, and what is missing is said."""
    backend: Any = SecretService.Keyring()  # type: ignore[no-untyped-call]
    await asyncio.to_thread(backend.set_password, "nomba", "credentials", '{"client_id": "i"}')
    assert (await KeyringSecret("nomba").read()).values == {"client_id": Secret("i")}
    with pytest.raises(SourceRefusedError, match="keyring set noyo credentials"):
        await KeyringSecret("noyo").read()


@needs_a_keyring
@pytest.mark.slow
@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("service", [False], indirect=True)
async def test_a_real_keyring_that_is_not_open() -> None:
    """One that would ask a person, where there is no screen: an error in time, and no plaintext in its place."""
    with pytest.raises((SourceUnavailableError, SourceRefusedError)) as refused:
        await KeyringSecret("nomba", timeout=timedelta(seconds=5)).read()
    assert refused.value.source == "keyring:nomba"
