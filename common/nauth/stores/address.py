"""Stores named by one line of text: `open_store`, and `NAUTH_STORE` for clients that are given no store."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping
from urllib.parse import unquote

import attrs

from nauth.after_fork import forgets
from nauth.clock import Clock, SystemClock
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.secret_files import FileProblemError, read_text
from nauth.stores.base import TokenStore
from nauth.stores.memory import default_store

__all__ = ["FILE_VARIABLE", "VARIABLE", "open_store", "store_for_client", "store_from_env"]

VARIABLE = "NAUTH_STORE"
FILE_VARIABLE = "NAUTH_STORE_FILE"

_log = logging.getLogger("nauth.store")

_FORMS = (
    "sqlite:/var/lib/app/tokens.db (one machine), redis://, rediss:// or unix:// (several machines; with ?prefix= and "
    "?allow_plaintext=true), or memory: (this process)"
)
_SCHEME = re.compile(r"([a-z]+):", re.ASCII | re.IGNORECASE)
_REDIS = frozenset({"redis", "rediss", "unix"})
_DRIVE = re.compile(r"/+(?=[A-Za-z]:[\\/])" if os.name == "nt" else r"(?!)")
"""What stands before a drive's letter in an address; matches nothing where there are no drives."""

_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def open_store(address: str | Secret) -> TokenStore:
    """Return the store that `address` names: the same object for the same text, in one process.

    Forms: ``memory:``, ``sqlite:/var/lib/app/tokens.db`` (also with three or four slashes), ``sqlite:tokens.db``
    (relative to the folder of the moment), and ``redis://``, ``rediss://`` and ``unix://`` as for `RedisStore`, with
    ``prefix=`` and ``allow_plaintext=true`` as further parameters.

    Leave the store open: other clients of this process may use it. It is safe across threads, event loops and forks.

    Raises:
        ConfigurationError: the text names no store, or an unsafe one; it is never quoted, as it may hold a password.
    """
    given = Secret.of(address)
    del address
    return _shared(given, "open_store(...)")


def store_from_env(environ: Mapping[str, str] | None = None) -> TokenStore | None:
    """Return the store that `NAUTH_STORE`, or the file named by `NAUTH_STORE_FILE`, names; None if neither is set.

    The forms are those of `open_store`. A file is read once in a process.

    Args:
        environ: the variables; the process environment if None.

    Raises:
        ConfigurationError: as for `open_store`; both are set, or the file cannot be read.
    """
    environ = os.environ if environ is None else environ
    address = Secret(environ.get(VARIABLE, "").strip())
    file = environ.get(FILE_VARIABLE, "").strip()
    if not file:
        return _shared(address, VARIABLE) if address else None
    if address:
        raise ConfigurationError(f"{VARIABLE} and {FILE_VARIABLE} are both set: keep one of them")
    return _shared(_from_file(file), FILE_VARIABLE)


def store_for_client(
    vendor: str, *, clock: Clock, may_persist: bool, environ: Mapping[str, str] | None = None
) -> TokenStore | None:
    """Return the store of the environment for a client that was given none; None if there is none that suits it.

    One that does not suit is passed over with one warning in the log: the variable speaks to all vendors at once.

    Args:
        vendor: the vendor's name, for the warning.
        clock: the client's clock. With one that is not the machine's, the instants in a shared store would be wrong.
        may_persist: whether a token of this vendor may outlive the process.
        environ: the variables; the process environment if None.

    Raises:
        ConfigurationError: as for `store_from_env`.
    """
    store = store_from_env(environ)
    if store is None:
        return None
    if not isinstance(clock, SystemClock):
        _passed_over(vendor, store, "the client counts time on a clock of its own")
        return None
    if store.persistent and not may_persist:
        _passed_over(
            vendor, store, "this vendor asks that its token stays in memory; allow_persistence=True uses it"
        )
        return None
    return store


def _passed_over(vendor: str, store: TokenStore, why: str) -> None:
    with _table.guard:
        known = (vendor, why) in _table.told
        _table.told.add((vendor, why))
    if not known:
        _log.warning(
            "%s is not used for %s: %s",
            VARIABLE,
            vendor,
            why,
            extra={"nauth.event": "store.ignored", "vendor": vendor, "store": repr(store), "why": why},
        )


@attrs.define(eq=False)
class _Table:
    """What this process has opened, read and said."""

    guard: threading.Lock = attrs.field(factory=threading.Lock)
    stores: dict[Secret, TokenStore] = attrs.field(factory=dict[Secret, TokenStore], repr=False)
    files: dict[str, Secret] = attrs.field(factory=dict[str, Secret])
    told: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]])

    def after_fork(self) -> None:
        """Renew the lock in a child: the parent's other threads, one of which may have held it, do not exist there."""
        self.guard = threading.Lock()


_table = _Table()
forgets(_table)


def _shared(address: Secret, setting: str) -> TokenStore:
    with _table.guard:
        store = _table.stores.get(address)
        if store is None:
            store = _table.stores[address] = _made(address, setting)
        return store


def _made(address: Secret, setting: str) -> TokenStore:
    scheme = _scheme(address)
    problem = f"{setting} names no token store. Forms: {_FORMS}"
    try:
        if scheme == "memory" and _is_memory(address):
            return default_store()
        if scheme == "sqlite":
            path = _sqlite_path(address)
            if path is not None:
                from nauth.stores.sqlite.store import SQLiteStore  # noqa: PLC0415 - imported where it is used

                return SQLiteStore(path)
        if scheme in _REDIS:
            options = _redis_options(address)
            if options is not None:
                from nauth.stores.redis.process_store import SharedRedisStore  # noqa: PLC0415 - imported where it is used

                return SharedRedisStore(
                    options.url, prefix=options.prefix, allow_plaintext=options.allow_plaintext
                )
    except ConfigurationError as error:
        problem = f"{setting}: {error}"
    # outside of the handler, so that no frame of the attempt hangs on the error
    raise ConfigurationError(problem)


def _scheme(address: Secret) -> str:
    match = _SCHEME.match(address.reveal())
    return "" if match is None else match[1].lower()


def _is_memory(address: Secret) -> bool:
    return address.reveal().partition(":")[2] in {"", "//"}


def _sqlite_path(address: Secret) -> str | None:
    """Return the file's path, None if the address names a host, has parameters, or no path at all."""
    path = address.reveal().partition(":")[2]
    if not path or path.startswith(":") or "?" in path or "#" in path or path.endswith("/"):
        return None
    slashes = len(path) - len(path.lstrip("/"))
    if slashes == 2:  # noqa: PLR2004 - what follows two slashes is a host
        return None
    return _DRIVE.sub("", "/" + path.lstrip("/")) if slashes else path


@attrs.frozen
class _RedisOptions:
    url: Secret
    prefix: str = "nauth"
    allow_plaintext: bool = False


def _redis_options(address: Secret) -> _RedisOptions | None:
    """Cut our own parameters out of the address, and leave the rest of the text as it is; None if they are wrong."""
    base, mark, query = address.reveal().partition("?")
    rest: list[str] = []
    ours: dict[str, str] = {}
    for part in query.split("&") if mark else ():
        name, _, value = part.partition("=")
        if name not in {"prefix", "allow_plaintext"}:
            rest.append(part)
        elif name in ours:
            return None
        else:
            ours[name] = unquote(value)
    allowed = _SWITCH.get(ours.get("allow_plaintext", "false").lower())
    if allowed is None:
        return None
    url = Secret(base + ("?" + "&".join(rest) if rest else ""))
    return _RedisOptions(url, ours.get("prefix", "nauth"), allowed)


def _from_file(path: str) -> Secret:
    with _table.guard:
        known = _table.files.get(path)
        if known is None:
            known = _table.files[path] = _read(path)
        return known


def _read(path: str) -> Secret:
    try:
        content = read_text(path)
    except FileProblemError as error:
        problem = f"the file that {FILE_VARIABLE} names {error}"
    else:
        if "\n" not in content.reveal():
            return content
        problem = f"the file that {FILE_VARIABLE} names must hold one line. Forms: {_FORMS}"
    raise ConfigurationError(problem)
