"""`Network`: how connections leave this machine: through which proxy, trusting whom, or as a session of the user's does."""

from __future__ import annotations

import functools
import os
import ssl

import attrs
from aiohttp import ClientSession

from nauth.errors import ConfigurationError
from nauth.origins import unverified
from nauth.transport.aiohttp_private import connector_tls, session_proxy
from nauth.transport.proxies import EnvironmentProxies, PickProxy, Proxy

__all__ = ["Network"]


def _session(session: object) -> ClientSession | None:
    if session is None:
        return None
    if not isinstance(session, ClientSession):
        raise ConfigurationError(f"session must be an aiohttp.ClientSession, not {type(session).__name__}")
    _check_connector(session)
    return session


def _proxy(value: object) -> Proxy | None:
    return value if value is None or isinstance(value, Proxy) else Proxy.read(value, setting="proxy")


def _context(value: object) -> ssl.SSLContext | None:
    if value is None:
        return None
    if not isinstance(value, ssl.SSLContext):
        raise ConfigurationError(
            f"ssl_context must be an ssl.SSLContext, not {type(value).__name__}: ssl.create_default_context(cafile=...) "
            "trusts a private certificate authority, load_cert_chain(...) adds a client certificate. Certificates are "
            "always checked"
        )
    _check_context(value)
    return value


@attrs.frozen
class Network:
    """How connections leave this machine, for token calls and requests alike.

    Without any setting: through the proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but for
    `NO_PROXY`), trusting the system's certificate authorities or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, which are
    read when connections are first made. ``~/.netrc`` is never read.

    Two of them are equal if they leave by the same way.

    Args:
        session: the user's own. Its connector carries token calls too, and its ``proxy=`` or ``trust_env=True`` counts
            for them; its middlewares, cookies and headers do not.
        proxy: the address of a proxy, with user name and password if it wants any; instead of the environment's.
        ssl_context: whom to trust and which certificate to show. Checks cannot be switched off.

    Raises:
        ConfigurationError: a setting is of the wrong kind or checks no certificates, or a session is given beside one
            of the others.
    """

    session: ClientSession | None = attrs.field(default=None, converter=_session, kw_only=True, repr=False)
    proxy: Proxy | None = attrs.field(default=None, converter=_proxy, kw_only=True)
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None, converter=_context, kw_only=True, repr=False
    )

    def __attrs_post_init__(self) -> None:
        """Refuse two ways at once."""
        if self.session is not None and (self.proxy is not None or self.ssl_context is not None):
            raise ConfigurationError(
                "session brings a connector and a proxy of its own: give proxy and ssl_context to it, "
                "ClientSession(proxy=..., connector=TCPConnector(ssl=...)), or leave session out"
            )

    def pick_proxy(self) -> PickProxy | None:
        """Return what says which proxy a URL takes, as the settings are now; None where none is set.

        Raises:
            ConfigurationError: a proxy's address is none.
        """
        proxy, session = self.proxy, self.session
        if session is not None:
            address, auth = session_proxy(session)
            proxy = None if address is None else Proxy.of_session(address, auth)
        if proxy is not None:
            only = proxy
            return lambda url: only if only.carries(url) else None
        if session is not None and not session.trust_env:
            return None
        return EnvironmentProxies.read() or None

    def check(self) -> None:
        """Look once more whether certificates are checked: contexts can be changed after they were given.

        Raises:
            ConfigurationError: they are not.
        """
        if self.ssl_context is not None:
            _check_context(self.ssl_context)
        if self.session is not None:
            _check_connector(self.session)

    def tls(self) -> ssl.SSLContext | bool:
        """Return what a connector of our own takes as ``ssl=``. Reads certificates from disk where the environment says so.

        Raises:
            ConfigurationError: `SSL_CERT_FILE` cannot be read.
        """
        if self.ssl_context is not None:
            return self.ssl_context
        # aiohttp has read both when it was imported, which may have been before a .env file was loaded
        file, folder = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
        return _environments_context(file, folder) if file or folder else True


def _check_connector(session: ClientSession) -> None:
    if unverified(connector_tls(session)):
        raise ConfigurationError(
            "the session's connector has TLS verification switched off (ssl=False, or a context that demands no "
            "certificate or compares no host name); a token is never sent that way"
        )


def _check_context(context: ssl.SSLContext) -> None:
    if unverified(context):
        raise ConfigurationError(
            "ssl_context does not check certificates or host names (CERT_NONE, or check_hostname=False); neither "
            "credential nor token is ever sent that way. For a private certificate authority use "
            "ssl.create_default_context(cafile=...)"
        )


@functools.lru_cache(maxsize=8)
def _environments_context(file: str, folder: str) -> ssl.SSLContext:
    """Return a context that trusts `file` and `folder`, the values of the two variables; loading it takes some 10 ms."""
    context = ssl.create_default_context()
    # OpenSSL says nothing of a file that it could not read; a folder it reads only when it looks for an issuer
    if file and not folder and not context.cert_store_stats()["x509_ca"]:
        raise ConfigurationError(
            f"nothing was sent: SSL_CERT_FILE names a file in which no certificate could be read ({file}). Correct or "
            "unset it"
        )
    context.set_alpn_protocols(["http/1.1"])
    return context
