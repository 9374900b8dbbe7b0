"""A private authority, a server and a client with a certificate of it each, and an environment without proxies."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "netrc")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine itself says about proxies and certificates."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority that no machine trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as `SSL_CERT_FILE` names one."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context, which asks for no client certificate."""
    return _server(authority)


@pytest.fixture(scope="session")
def mutual_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context, which demands a client certificate."""
    context = _server(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context, which trusts the authority and shows a certificate of it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("service@example.com").configure_cert(context)
    return context


def _server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost", "api.example.com", "vendor.test").configure_cert(context)
    return context
