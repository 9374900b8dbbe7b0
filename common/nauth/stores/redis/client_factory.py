"""Which Redis a store talks to: URLs and the checks on them, clients of the user's own, factories."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

import attrs

from nauth.errors import ConfigurationError
from nauth.origins import is_loopback
from nauth.secret import Secret

__all__ = ["RedisClient", "Source", "source"]


class RedisClient(Protocol):
    """What the store needs of an asyncio client of redis-py: ``Redis``, one from Sentinel, or ``RedisCluster``."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command; the answer must be awaited."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@attrs.frozen
class Source:
    """Where clients come from.

    Attributes:
        make: returns a client; called inside the loop that it is for.
        shown: where it leads, without user name or password.
        ours: whether the store makes its clients, one for each loop, and closes them.
    """

    make: Callable[[], RedisClient]
    shown: str
    ours: bool = True


_OPTIONS = frozenset(
    {
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "protocol",
        "socket_keepalive",
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_min_version",
        "ssl_password",
    }
)
"""Options that a URL may have. Timeouts and retries are the store's own."""

_WRONG_VALUE = "an option of RedisStore's URL has a value that redis-py does not take"

_EXAMPLE = (
    "redis://localhost:6379/0, rediss://user:password@redis.example.com:6380/0 or unix:///run/redis.sock"
)


def source(given: object, *, timeout_s: float, allow_plaintext: bool) -> Source:
    """Return where clients come from, given a URL, a client or a factory of clients.

    Raises:
        ConfigurationError: redis-py is missing, or what was given cannot be used. Never quotes a URL.
    """
    try:
        importlib.import_module("redis.asyncio")  # an extra, and slow to import
    except ImportError:
        raise ConfigurationError("RedisStore needs the package redis: pip install nauth[redis]") from None
    if isinstance(given, Secret):
        return _from_url(given, timeout_s=timeout_s, allow_plaintext=allow_plaintext)
    if hasattr(given, "execute_command"):
        client = _asynchronous(given)
        return Source(lambda: client, f"a {type(given).__name__} of yours", ours=False)
    if callable(given):
        factory: Callable[[], object] = given
        return Source(lambda: _asynchronous(factory()), "clients that you make")
    raise ConfigurationError(
        f"RedisStore takes a URL ({_EXAMPLE}), a client from redis.asyncio, or a function that makes one; not "
        f"{type(given).__name__}"
    )


def _asynchronous(client: object) -> RedisClient:
    import redis  # noqa: PLC0415 - an extra, and slow to import

    if isinstance(client, redis.Redis | redis.RedisCluster):
        raise ConfigurationError(
            "RedisStore needs a client from redis.asyncio; this one is redis-py's blocking client, which would stop "
            "the event loop at every command"
        )
    if not hasattr(client, "execute_command"):
        raise ConfigurationError(
            f"the function given to RedisStore must return a client from redis.asyncio, not {type(client).__name__}"
        )
    return cast("RedisClient", client)


def _from_url(url: Secret, *, timeout_s: float, allow_plaintext: bool) -> Source:
    import redis  # noqa: PLC0415 - an extra, and slow to import
    from redis.asyncio import Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    shown, problem = _judged(url.reveal().strip(), allow_plaintext=allow_plaintext)
    if problem:
        raise ConfigurationError(problem)
    redis_class: Any = Redis  # its `from_url` is not typed to the end
    made: Callable[..., RedisClient] = redis_class.from_url
    options: dict[str, object] = {}
    with contextlib.suppress(ImportError):  # not in the first 7.x, which does without
        from redis.driver_info import DriverInfo  # noqa: PLC0415

        # else redis-py looks its own version up on the disk at every connection, and the event loop waits
        options["driver_info"] = DriverInfo(lib_version=redis.__version__)

    def make() -> RedisClient:
        return made(
            url.reveal().strip(),
            # the store's own deadline covers it; on Python 3.11 redis-py's (`asyncio.wait_for`) loses cancellations
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
            # the store repeats what may be repeated, within one deadline
            retry=Retry(NoBackoff(), 0),
            **options,
        )

    if not _makes(make):
        raise ConfigurationError(_WRONG_VALUE)
    return Source(make, shown)


def _makes(make: Callable[[], RedisClient]) -> bool:
    # redis-py reads the options only now; nothing is connected
    try:
        make()
    except (ValueError, TypeError):
        return False
    return True


def _judged(text: str, *, allow_plaintext: bool) -> tuple[str, str]:
    """Return `text` without its user name, password and options, and what is wrong with it.

    Never raises it: the frame here holds the password.
    """
    try:
        url = urlsplit(text)
        host, port, options = url.hostname, url.port, parse_qs(url.query, keep_blank_values=True)
    except ValueError:
        url, host, port, options = urlsplit(""), None, None, {}
    if url.scheme not in {"redis", "rediss", "unix"} or not _well_formed(url):
        return "", (
            f"RedisStore's URL must look like {_EXAMPLE}. Special characters in a user name or password must be "
            "percent-encoded"
        )
    if unknown := set(options) - _OPTIONS:
        # not by name: a piece of a password that was not encoded may end up here
        return "", (
            f"RedisStore's URL has {len(unknown)} option(s) that a store does not take. It takes "
            f"{', '.join(sorted(_OPTIONS))}; timeouts are RedisStore(timeout=...)"
        )
    if not set(options.get("protocol", ["3"])) <= {"2", "3"}:  # redis-py 5 finds out when it connects only
        return "", _WRONG_VALUE
    if options.get("ssl_cert_reqs", ["required"]) != ["required"] or not all(
        value.lower() in {"true", "1", "yes", "y", "t"} for value in options.get("ssl_check_hostname", [])
    ):
        return "", (
            "RedisStore's URL switches the check of the server's certificate off, so that others on the way could read "
            "the tokens. Name your own authority with ssl_ca_certs=... instead"
        )
    if url.scheme == "unix":
        return f"unix://{url.path}", ""
    if url.scheme == "redis" and not is_loopback(host or "localhost") and not allow_plaintext:
        return "", (
            f"RedisStore's URL is plain redis:// to {host}, which would show the tokens to others on the way; "
            "use rediss://, or RedisStore(..., allow_plaintext=True) where the network itself is encrypted"
        )
    return f"{url.scheme}://{host or 'localhost'}:{port or 6379}{url.path}", ""


def _well_formed(url: SplitResult) -> bool:
    """Tell whether all parts are where they belong: redis-py silently drops what follows a stray ``#``."""
    if url.fragment or "@" in url.path or "@" in url.query:
        return False
    if url.scheme == "unix":
        return bool(url.path.strip("/")) and not url.hostname
    database = url.path.removeprefix("/")
    return database == "" or (database.isascii() and database.isdigit())
