"""Whether a client without credentials uses a remembered login: only where the environment holds none of the vendor's names."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from nauth.env_settings import EnvironmentReader
from nauth.logins.login_file import logins_allowed
from nauth.logins.remembered import RememberedLogin

__all__ = ["login_beside", "remembered_by_default"]

_log = logging.getLogger("nauth")


def remembered_by_default(
    reader: EnvironmentReader, *, names: Sequence[str], vendor: str, base_url: str
) -> RememberedLogin | None:
    """Return the login to use; None if a variable of `names` is set, logins are switched off, or there is none.

    Args:
        reader: of the environment.
        names: the variables that hold credentials of the vendor, or name a source of them.
        vendor: the vendor's name.
        base_url: the URL that the client is for.
    """
    if any(reader.is_set(name) for name in names):
        return None
    login = login_beside(reader, vendor=vendor, base_url=base_url)
    if login is not None:
        _log.info("%s: using the remembered login %r; NAUTH_LOGIN=off forbids that", vendor, login.name)
    return login


def login_beside(reader: EnvironmentReader, *, vendor: str, base_url: str) -> RememberedLogin | None:
    """Return the login that there is for this vendor and URL, used or not."""
    if not logins_allowed(reader.environ):
        return None
    login = RememberedLogin(environ=None if reader.environ is os.environ else reader.environ)
    return login if login.exists(vendor, base_url) else None
