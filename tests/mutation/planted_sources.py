"""Bugs in sources, in the rule of rotation, and in how refusals of a refresh token are read."""

from __future__ import annotations

from functools import partial

from tests.mutation.bug import Planted, core

__all__ = ["SOURCES"]

_core = partial(core, simulated=False)

SOURCES: tuple[Planted, ...] = (
    _core(
        "a refused credential is not asked for anew",
        "sources/authenticator",
        "        if fresh:\n",
        "        if made:\n",
        "sources/rotation",
    ),
    _core(
        "a source that is down ends a service whose key works",
        "sources/authenticator",
        "        if at_hand is not None:\n            return at_hand\n        raise failure\n",
        "        raise failure\n",
        "sources/rotation",
    ),
    _core(
        "a changed credential does not end the cool-down",
        "sources/authenticator",
        "        manager.forgive()\n",
        "",
        "sources/rotation",
    ),
    _core(
        "each caller of a cool-down asks the source",
        "sources/shared_read",
        "        if now < self._next_at:\n            return False\n",
        "",
        "sources/rotation",
    ),
    _core(
        "two hundred callers, two hundred questions",
        "sources/shared_read",
        "        if question is None or question.given_up:\n",
        "        if True:\n",
        "sources/rotation",
    ),
    _core(
        "a question that was cancelled before its first step is waited for without end",
        "sources/shared_read",
        ', name="nauth source", over=over)',
        ', name="nauth source")',
        "sources/rotation",
    ),
    _core(
        "a look that was cut off is the last one",
        "sources/authenticator",
        "(work.task.done() or work.task.get_loop().is_closed())",
        "False",
        "sources/rotation",
    ),
    _core(
        "a source keeps each loop that was closed under its question",
        "sources/shared_read",
        "                self._running.pop(closed, None)",
        "                pass",
        "sources/shared_read",
    ),
    _core(
        "the text of a foreign error is shown, and the secret in it",
        "sources/shared_read",
        '                f"{self.name} failed with {type(error).__name__}.',
        '                f"{self.name} failed with {error}.',
        "sources/rotation",
    ),
    _core(
        "a mounted set is read through the links: id and secret of two versions",
        "secret_files",
        '    version = Path(os.path.realpath(Path(folder) / "..data"))\n    base = version if version.is_dir() else Path(os.path.realpath(folder))\n',
        "    base = Path(folder)\n",
        "sources/files",
    ),
    _core(
        "a pipe without a writer blocks for ever",
        "secret_files",
        '_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)',
        "_FLAGS = os.O_RDONLY",
        "sources/files",
    ),
    _core(
        "the byte order mark becomes part of the secret",
        "secret_files",
        'decode("utf-8-sig")',
        'decode("utf-8")',
        "sources/files",
    ),
    _core(
        "AWS: whichever stage, a pending secret included",
        "sources/aws",
        ", VersionStage=_CURRENT",
        ', VersionStage="AWSPENDING"',
        "sources/aws",
    ),
    _core(
        "AWS: botocore logs the secret at DEBUG",
        "sources/aws",
        "        marked = _reading.set(True)\n",
        "        marked = _reading.set(False)\n",
        "sources/aws",
    ),
    _core(
        "Vault: a wrapping token is opened at each question",
        "sources/vault",
        "        if self._opened is not None:\n            return self._opened\n",
        "",
        "sources/vault",
    ),
    _core(
        "keyring: a hung call holds the program's end",
        "daemon_thread",
        "daemon=True",
        "daemon=False",
        "sources/keyring",
    ),
    Planted(
        "a fleet is split by a rotation: the key of the store holds the secret",
        "common/nauth/sources/client_setup.py",
        'return identity_digest("source", self.source.name, *who)',
        'return identity_digest("source", self.source.name, str(id(self.source)), *who)',
        ("tests/vendors_common/test_sources.py",),
    ),
    _core(
        "a dead refresh token is sent again for ever",
        "oauth2/authorization_code",
        "        if self._refusal is not None and self._ended == token.refresh_token:\n",
        "        if False:\n",
        "oauth2/authorization_code",
    ),
    _core(
        "a gateway's bare 401 ends the refresh token given at the start",
        "oauth2/authorization_code",
        "self._ended = refresh_token if ends_grant(error) else None",
        "self._ended = refresh_token",
        "oauth2/authorization_code",
    ),
)
