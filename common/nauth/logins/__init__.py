"""Remembered logins: a person signs in once with ``nauth login``, and programs of the same user find it.

::

    async with NaoClient() as nao: ...  # with none of NAO_* in the environment
    async with NaoClient(RememberedLogin("work")) as nao: ...

One key lies in the operating system's keyring, the tokens sealed with it in an SQLite file of their own.
"""

from __future__ import annotations

from nauth.logins.authenticator import RememberedAuthenticator
from nauth.logins.login_file import FILE_VARIABLE
from nauth.logins.places import login_beside, remembered_by_default
from nauth.logins.remembered import Application, KnownLogin, RememberedLogin, known_logins

__all__ = [
    "FILE_VARIABLE",
    "Application",
    "KnownLogin",
    "RememberedAuthenticator",
    "RememberedLogin",
    "known_logins",
    "login_beside",
    "remembered_by_default",
]
