"""Which proxy a URL takes, as the variables say, and what counts as one."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.transport.proxies import EnvironmentProxies, Proxy


def _picked(environ: dict[str, str], url: str) -> str | None:
    proxy = EnvironmentProxies.read(environ)(URL(url))
    return None if proxy is None else str(proxy.url)


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://LARGE:2"}, "http://small:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://large:2"}, None),
        ({"HTTPS_PROXY": " p:3128\n"}, "http://p:3128"),
        ({"HTTPS_PROXY": "https://p"}, "https://p"),
        ({"HTTP_PROXY": "http://p:3128"}, None),
        ({"ALL_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"ALL_PROXY": "http://p:3128", "HTTPS_PROXY": "http://q:1"}, "http://q:1"),
        ({"ALL_PROXY": "socks5://p:1080"}, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "*"}, None),
    ],
)
def test_which(environ: dict[str, str], expected: str | None) -> None:
    """Lower case wins, also where it is empty; ALL_PROXY stands in, unless it is a SOCKS proxy."""
    assert _picked(environ, "https://api.example.com/x") == expected
    assert _picked(environ, "wss://api.example.com/x") == expected


@pytest.mark.parametrize(
    "no_proxy, url, direct",
    [
        ("example.com", "https://example.com", True),
        ("example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", True),
        ("*.example.com", "https://api.example.com", True),
        ("example.com", "https://badexample.com", False),
        ("API.example.com.", "https://api.EXAMPLE.com.", True),
        ("other.com , api.example.com", "https://api.example.com", True),
        ("other.com api.example.com", "https://api.example.com", True),
        ("api.example.com:443", "https://api.example.com", True),
        ("api.example.com:8443", "https://api.example.com", False),
        ("127.0.0.1", "https://127.0.0.1:8443", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://api.example.com", False),
        ("[::1]", "https://[::1]:8443", True),
        ("fd00::/8", "https://[fd00::1]", True),
        ("xn--bcher-kva.example", "https://api.bücher.example", True),
        ("bücher.example", "https://api.xn--bcher-kva.example", True),
        ("*.", "https://api.example.com", False),
        ("", "https://api.example.com", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, direct: bool) -> None:
    """Names cover what lies below them, networks their addresses, a port only itself."""
    environ = {"HTTPS_PROXY": "http://p:3128", "no_proxy": no_proxy}
    assert (_picked(environ, url) is None) is direct


def test_plain_http() -> None:
    """In clear text a proxy is used only on this machine."""
    assert _picked({"HTTP_PROXY": "http://p:3128"}, "http://127.0.0.1") is None
    assert _picked({"HTTP_PROXY": "http://127.0.0.1:3128"}, "http://127.0.0.1") == "http://127.0.0.1:3128"


def test_in_a_cgi_program() -> None:
    """There HTTP_PROXY is what a stranger sent as a header `Proxy`, and is not believed."""
    strangers = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://127.0.0.1:3128"}
    assert _picked(strangers, "http://127.0.0.1") is None
    assert (
        _picked(strangers | {"http_proxy": "http://localhost:1"}, "http://127.0.0.1") == "http://localhost:1"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "socks5://p:1080",
        "http://",
        "http://[::g]:1",
        "http://p:0",
        "http://p:99999",
        "p",
        "http://p..q:1",
    ],
)
def test_no_proxy_address(value: str) -> None:
    """What is no address of an http proxy is refused, and never quoted."""
    with pytest.raises(ConfigurationError, match="proxy must be the address of an http or https proxy"):
        Proxy.read(value, setting="proxy")


@pytest.mark.parametrize("value", [3128, b"http://p", None])
def test_no_text(value: object) -> None:
    """Nor is anything taken but text or a URL."""
    with pytest.raises(ConfigurationError, match=r"proxy must be a URL as text, not (int|bytes|NoneType)"):
        Proxy.read(value, setting="proxy")


def test_a_bad_variable_is_named() -> None:
    """The text names the variable that is wrong."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        with pytest.raises(ConfigurationError, match=f"{name} must be"):
            EnvironmentProxies.read({name: "socks5://user:canary@p:1080"})
    with pytest.raises(ConfigurationError, match="ALL_PROXY must be"):
        EnvironmentProxies.read({"ALL_PROXY": "ftp://p"})


def test_the_password_is_kept_apart() -> None:
    """Neither address nor repr shows it; percent-encoding is undone."""
    proxy = Proxy.read("http://me%40home:c%3Anary@p:3128", setting="proxy")
    assert str(proxy.url) == "http://p:3128"
    assert proxy.authorization is not None
    assert proxy.authorization.reveal() == aiohttp.encode_basic_auth("me@home", "c:nary")
    assert "nary" not in repr(proxy)
    assert Proxy.read(URL("http://me@p:3128"), setting="proxy").authorization is not None


def test_a_sessions_proxy() -> None:
    """A session's proxy may bring its password apart."""
    with pytest.warns(DeprecationWarning, match="BasicAuth"):
        auth = aiohttp.BasicAuth("me", "pass")
    proxy = Proxy.of_session("http://p:3128", auth)
    assert proxy.authorization is not None
    assert proxy.authorization.reveal() == aiohttp.encode_basic_auth("me", "pass")
    assert Proxy.of_session(URL("http://p:3128"), None).authorization is None
