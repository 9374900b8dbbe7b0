"""Where remembered logins lie, and which of them there are, without opening anything."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from nauth.errors import ConfigurationError
from nauth.secret_files import is_file
from nauth.stores.base import StoreKey

__all__ = ["FILE_VARIABLE", "LoginFile", "logins_allowed"]

FILE_VARIABLE = "NAUTH_LOGIN_STORE"
SWITCH = "NAUTH_LOGIN"


def logins_allowed(environ: Mapping[str, str]) -> bool:
    """Tell whether a remembered login may be used unasked: `NAUTH_LOGIN=off` forbids it."""
    return environ.get(SWITCH, "").strip().lower() not in {"off", "0", "false"}


@attrs.frozen
class LoginFile:
    """The file of the sealed logins, and beside it a folder with an empty file for each login: its mark.

    The marks tell a client's constructor, which must not wait for a database or a keyring, whether there is a login.
    """

    path: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> LoginFile:
        """Return the place that `NAUTH_LOGIN_STORE` names, or else the user's own."""
        named = environ.get(FILE_VARIABLE, "").strip()
        if named:
            return cls(Path(named).expanduser())
        if os.name == "nt":  # pragma: no cover - Windows
            return cls(
                Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "nauth" / "logins.db"
            )
        state = environ.get("XDG_STATE_HOME", "").strip()
        return cls((Path(state) if state else Path.home() / ".local" / "state") / "nauth" / "logins.db")

    def has(self, key: StoreKey) -> bool:
        """Tell whether there is a login of `key`."""
        return is_file(self._mark(key))

    def mark(self, key: StoreKey) -> None:
        """Note that there is a login of `key`. Blocks."""
        mark = self._mark(key)
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)

    def unmark(self, key: StoreKey) -> None:
        """Note that there is none. Blocks."""
        self._mark(key).unlink(missing_ok=True)

    def make_folder(self) -> None:
        """Make the folder of the file, for its owner alone. Blocks.

        Raises:
            ConfigurationError: it cannot be made.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        except OSError as error:
            why = type(error).__name__
        raise ConfigurationError(
            f"the folder of {self.path} cannot be made ({why}). Name another file by {FILE_VARIABLE} or --store"
        )

    def _mark(self, key: StoreKey) -> Path:
        name = hashlib.sha256(str(key).encode()).hexdigest()[:32]
        return self.path.with_name(f"{self.path.name}-logins") / name
