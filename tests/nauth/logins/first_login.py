"""A program of its own that remembers a first login, with a keyring that is a slow folder of files.

``first_login.py FOLDER NAME [real]``: waits for a line on stdin, so that several begin at once. With ``real`` the keyring is
the machine's.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from nauth.logins import RememberedLogin
from nauth.secret import Secret
from nauth.token import Token

__all__ = ["FolderKeyring"]


class FolderKeyring:
    """Keeps each item in a file. For tests: a real keyring encrypts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return an item, slowly."""
        time.sleep(0.02)
        file = self._folder / f"{service}-{username}"
        return file.read_text() if file.exists() else None

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Set an item, slowly."""
        time.sleep(0.02)
        (self._folder / f"{service}-{username}").write_text(password)


async def _main(folder: Path, name: str, *, real: bool) -> None:
    environ = {"NAUTH_LOGIN_STORE": str(folder / "state" / "logins.db")}
    login = RememberedLogin(name, environ=environ, backend=None if real else FolderKeyring(folder))
    token = Token(access_token=Secret(f"token-{name}"), refresh_token=Secret(f"refresh-{name}"))
    await login.save("nao", "https://x.example", token, {"client_id": Secret("id")})


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], real="real" in sys.argv[3:]))
