"""Where remembered logins lie, and which of them there are, without opening anything."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.secret_files import is_file
from nauth.stores.base import StoreKey

__all__ = ["FILE_VARIABLE", "LoginFile", "LoginSettings", "logins_allowed"]

FILE_VARIABLE = "NAUTH_LOGIN_STORE"
SWITCH = "NAUTH_LOGIN"
KEY_VARIABLE = "NAUTH_STORE_KEY"
KEYRING_VARIABLE = "NAUTH_KEYRING"
_OFF = frozenset({"off", "0", "false"})


def logins_allowed(environ: Mapping[str, str]) -> bool:
    """Tell whether a remembered login may be used unasked: `NAUTH_LOGIN=off` forbids it."""
    return environ.get(SWITCH, "").strip().lower() not in _OFF


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


@attrs.frozen
class LoginSettings:
    """What the environment says of remembered logins.

    Attributes:
        file: where they lie.
        key: a key of the user's own; None takes the keyring's.
        keyring: whether the keyring may be asked.
    """

    file: LoginFile
    key: Secret | None
    keyring: bool

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> LoginSettings:
        """Read them.

        Raises:
            ConfigurationError: `NAUTH_STORE_KEY_FILE` names a file that cannot be read.
        """
        reader = EnvironmentReader(environ)
        given = reader.optional(KEY_VARIABLE)
        reader.finish("the store of remembered logins")
        return cls(
            LoginFile.of(environ),
            None if given is None else Secret(given),
            environ.get(KEYRING_VARIABLE, "").strip().lower() not in _OFF,
        )
