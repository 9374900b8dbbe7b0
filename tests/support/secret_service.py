"""A real Secret Service for one test: gnome-keyring's daemon on a message bus of its own, with a home of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MISSING", "secret_service"]

_FOLDER = os.environ.get("NAUTH_GNOME_KEYRING")
"""Where Debian's packages were unpacked that are not installed."""
_LIBRARIES = "" if _FOLDER is None else f"{_FOLDER}/usr/lib/x86_64-linux-gnu"
_KEYRING = shutil.which("gnome-keyring-daemon", path=None if _FOLDER is None else f"{_FOLDER}/usr/bin")
_BUS = shutil.which("dbus-daemon")

MISSING: str | None = next(
    (
        f"{name} is not on this machine"
        for name, found in (("gnome-keyring-daemon", _KEYRING), ("dbus-daemon", _BUS))
        if found is None
    ),
    None,
)
"""Why there can be none here; None if there can."""


@contextlib.contextmanager
def secret_service(home: Path, *, unlocked: bool = True) -> Iterator[dict[str, str]]:
    """Run it; yield the variables by which a program finds it.

    Args:
        home: holds the keyring's files.
        unlocked: whether its login keyring is open, as after a sign-in at the machine; else it has none yet, and would ask
            a person to make one.
    """
    assert _KEYRING is not None
    assert _BUS is not None
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}},
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_DATA_HOME": str(home / "data"),
    }
    with subprocess.Popen(  # noqa: S603 - of the machine
        [_BUS, "--session", "--nofork", "--print-address=1"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as bus:  # fmt: skip
        try:
            assert bus.stdout is not None
            found = {name: environment[name] for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME")}
            found["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
            with subprocess.Popen(  # noqa: S603 - of the machine
                [_KEYRING, "--foreground", "--components=secrets", *(["--unlock"] if unlocked else [])],
                env=environment | found | ({"LD_LIBRARY_PATH": _LIBRARIES} if _LIBRARIES else {}),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            ) as keyring:  # fmt: skip
                try:
                    assert keyring.stdin is not None
                    assert keyring.stdout is not None
                    keyring.stdin.write("the password of the login")
                    keyring.stdin.close()
                    keyring.stdout.readline()  # said when it is on the bus
                    yield found
                finally:
                    keyring.kill()
                    with warnings.catch_warnings():
                        # the keyring package closes none of its connections to the bus
                        warnings.simplefilter("ignore", ResourceWarning)
                        gc.collect()
        finally:
            bus.kill()
