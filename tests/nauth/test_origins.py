"""Origins are compared as (scheme, host, port), and a base URL that would show a token is refused."""

from __future__ import annotations

import ssl

import pytest
from aiohttp import Fingerprint
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from nauth.errors import ConfigurationError, OriginError
from nauth.origins import Targets, is_loopback, origin_key, parse_base_url, resolve, unverified

_BASE = URL("https://api.example.com:8443/v1")
_ALLOWED = frozenset({origin_key(_BASE), origin_key(URL("https://files.example.com"))})


@pytest.mark.parametrize(
    "one, other",
    [
        ("http://h", "http://h:80"),
        ("https://h", "https://h:443"),
        ("ws://h", "http://h"),
        ("wss://h:9", "https://h:9"),
        ("HTTPS://API.Example.COM/x", "https://api.example.com"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://api.example.com.", "https://api.example.com."),
        (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example"),
        (
            f"https://[1111:2222:3333:4444:5555:6666:7777:8888%25{'e' * 32}]",
            f"https://[1111:2222:3333:4444:5555:6666:7777:8888%25{'e' * 32}]",
        ),
        ("https://somebody:pw@h", "https://h"),
        ("http://[::1]:80", "http://[0:0:0:0:0:0:0:1]"),
    ],
)
def test_same_origin(one: str, other: str) -> None:
    """Default ports, case, IDN, user info and websocket schemes make no other origin."""
    assert origin_key(URL(one)) == origin_key(URL(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ("http://h", "https://h"),
        ("ws://h", "wss://h"),
        ("https://h", "https://h:444"),
        ("https://h", "https://h."),
        ("https://h", "https://x.h"),
        ("http://localhost", "http://127.0.0.1"),
        ("http://127.0.0.1", "http://127.0.0.2"),
        ("http://127.0.0.1", "http://127%2e0.0.1"),
        ("ftp://h", "http://h"),
    ],
)
def test_other_origin(one: str, other: str) -> None:
    """Another scheme, port or spelling of the host is another origin."""
    assert origin_key(URL(one)) != origin_key(URL(other))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.255.255.254", "::1"])
def test_loopback(host: str) -> None:
    """This machine's own names are loopback."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [None, "", "localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "0.0.0.0", "2130706433", "::2"],  # noqa: S104 - a name
)
def test_not_loopback(host: str | None) -> None:
    """Names that only look like loopback are not; nothing is looked up."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "given, url",
    [
        ("https://api.example.com", "https://api.example.com"),
        (" https://api.example.com/\n", "https://api.example.com"),
        ("https://api.example.com/v1//", "https://api.example.com/v1"),
        ("https://api.example.com/a%2Fb/", "https://api.example.com/a%2Fb"),
        ("HTTPS://API.example.com:8443/V1", "https://api.example.com:8443/V1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://[::1]:9/", "http://[::1]:9"),
        ("https://[FE80::1%25eth0]:8443/v1/", "https://[fe80::1%25eth0]:8443/v1"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        (URL("https://api.example.com/v1/"), "https://api.example.com/v1"),
    ],
)
def test_base_url(given: str | URL, url: str) -> None:
    """https, or http on loopback, is kept with its path prefix and without the slashes at its end."""
    parsed = parse_base_url(given, setting="X_BASE_URL")
    assert str(parsed).rstrip("/") == url
    assert not parsed.raw_path.rstrip("/").endswith("/")


@pytest.mark.parametrize(
    "given, words",
    [
        (None, "must be a URL as text, not NoneType"),
        (b"https://h", "must be a URL as text, not bytes"),
        (8080, "must be a URL as text, not int"),
        ("", "absolute https URL"),
        ("   ", "absolute https URL"),
        ("api.example.com", "absolute https URL"),
        ("/v1", "absolute https URL"),
        ("//api.example.com", "absolute https URL"),
        ("https://", "absolute https URL"),
        ("https:api.example.com", "absolute https URL"),
        ("ftp://api.example.com", "absolute https URL"),
        ("wss://api.example.com", "absolute https URL"),
        ("javascript:alert(1)", "absolute https URL"),
        ("https://api.example.com:0", "absolute https URL"),
        ("https://api.example.com:99999", "absolute https URL"),
        ("https://api.example.com:port", "absolute https URL"),
        ("https://[::1", "absolute https URL"),
        ("https://[::1]@", "absolute https URL"),
        pytest.param(f"https://h/{'a' * 65_536}", "absolute https URL", id="long"),
        ("https://[::g]", "absolute https URL"),
        ("https://api..example.com", "absolute https URL"),
        ("https://.example.com", "absolute https URL"),
        ("https://example.com..", "absolute https URL"),
        (f"https://api.{'a' * 64}.com", "absolute https URL"),
        ("https://[::g%25eth0]:8443/v1", "absolute https URL"),
        ("https://good\\@evil.example", "absolute https URL"),
        ("https://exa mple.com", "absolute https URL"),
        ("https://\x00example.com", "absolute https URL"),
        ("https://api.example.com%2eevil.example", "absolute https URL"),
        (URL(), "absolute https URL"),
        ("https://somebody@api.example.com", "user name or password"),
        ("https://:hunter2@api.example.com", "user name or password"),
        ("http://somebody:hunter2@api.example.com", "user name or password"),
        ("https://api.example.com?key=hunter2", "query or fragment"),
        ("https://api.example.com/v1#hunter2", "query or fragment"),
        ("http://api.example.com", "plain http for api.example.com"),
        ("http://127.0.0.1.example.com", "plain http"),
    ],
)
def test_bad_base_url(given: object, words: str) -> None:
    """What is no safe base URL is refused by the setting's name, and never quoted: user info is a credential."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_base_url(given, setting="X_BASE_URL")
    assert str(caught.value).startswith("X_BASE_URL ")
    assert "hunter2" not in str(caught.value)
    assert "somebody" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url, target",
    [
        ("x", "/v1/x"),
        ("/x", "/v1/x"),
        ("", "/v1/"),
        ("x/", "/v1/x/"),
        ("/a%2Fb/%41", "/v1/a%2Fb/A"),
        ("/ü", "/v1/%C3%BC"),
        ("/x?flag", "/v1/x?flag"),
        ("/x?a=1&b&c=", "/v1/x?a=1&b&c="),
        ("/x?a=b=c", "/v1/x?a=b=c"),
        ("/x?a=1+2%2B3", "/v1/x?a=1+2%2B3"),
        ("?a=1", "/v1/?a=1"),
        ("/x#part", "/v1/x"),
        (URL("/a%2fb/%41?q=%2f%41+%20&x", encoded=True), "/v1/a%2fb/%41?q=%2f%41+%20&x"),
        ("/\\evil.example/x", "/v1/%5Cevil.example/x"),
        ("a;b=1,2/c", "/v1/a;b=1,2/c"),
    ],
)
def test_relative(url: str | URL, target: str) -> None:
    """A path is appended to the base's own; its encoding and its query stay as they are."""
    resolved = resolve(_BASE, url, allowed=_ALLOWED)
    assert str(resolved) == f"https://api.example.com:8443{target}"


def test_relative_below_bare_host() -> None:
    """Without a path prefix nothing is put before the path."""
    base = URL("https://h")
    assert str(resolve(base, "v1/x?a", allowed=frozenset({origin_key(base)}))) == "https://h/v1/x?a"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com:8443/other?x#y",
        "https://API.example.com:8443",
        "https://files.example.com:443/a",
        "wss://files.example.com/socket",
        URL("https://files.example.com/a%2fb?%41", encoded=True),
    ],
)
def test_absolute(url: str | URL) -> None:
    """An absolute URL of a configured origin stays as it is."""
    assert resolve(_BASE, url, allowed=_ALLOWED) == URL(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://api.example.com/x",
        "http://api.example.com:8443/x",
        "//evil.example/x",
        "//api.example.com:8443/x",
        "///evil.example/x",
        "\t//evil.example/x",
        "//good@evil.example/x",
        "https://api.example.com:8443@evil.example/",
        "https://api.example.com:8443\\@evil.example/",
        "https:\\\\evil.example\\x",
        "https:/evil.example",
        "https:evil.example",
        "https://api.example.com.:8443/",
        "https://api.example.com%2eevil.example:8443/",
        "https://api%2eexample.com:8443/",
        "https://[::1]:8443/",
        "https://[::1",
        "//[::1]@",
        "https://api.example.com:99999/",
        "https://xn--pi-bja.example.com:8443/",
        "https://аpi.example.com:8443/",  # noqa: RUF001 - a Cyrillic letter is the trick
        "javascript:alert(1)",
        "data:text/plain,hello",
        "file:///etc/passwd",
        "localhost:8443/x",
    ],
)
def test_foreign(url: str) -> None:
    """Whatever leads elsewhere, however it is written, is refused before anything is sent."""
    with pytest.raises(OriginError, match="nothing was sent") as caught:
        resolve(_BASE, url, allowed=_ALLOWED)
    assert caught.value.__cause__ is None


def test_foreign_is_named() -> None:
    """The text names the origin that was asked for and those that may be, but no path, query or user info."""
    with pytest.raises(OriginError) as caught:
        resolve(_BASE, "http://me:hunter2@evil.example:81/secret?secret", allowed=_ALLOWED)
    text = str(caught.value)
    assert "http://evil.example:81," in text
    assert "https://api.example.com:8443, https://files.example.com)" in text
    assert "secret" not in text
    assert "hunter2" not in text


def test_foreign_without_host() -> None:
    """A URL without a host is called that."""
    with pytest.raises(OriginError, match="a URL without a host"):
        resolve(_BASE, "javascript:alert(1)", allowed=_ALLOWED)


def test_unverified() -> None:
    """False and a context that demands no certificate, or anybody's, switch verification off; the rest does not."""
    nameless = ssl.create_default_context()
    nameless.check_hostname = False
    assert unverified(nameless)
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    assert unverified(False)
    assert unverified(lax)
    assert not unverified(True)
    assert not unverified(None)
    assert not unverified(ssl.create_default_context())
    assert not unverified(Fingerprint(b"0" * 32))


_PATHS = st.text(st.sampled_from("/aZ09_-=&?.~%2e#:@ \t\\é+;"), max_size=12)


@pytest.mark.parametrize("base", ["https://h", "https://h/v1", "http://[::1]:8080/a/b"])
@given(path=_PATHS)
@example(path="/v1/rows?limit=5")
@example(path="//h")
@example(path="/a//b")
@example(path="/\t/")
def test_remembered_targets_are_what_is_resolved(base: str, path: str) -> None:
    """However a target is found the first time, and when it is remembered, it is what `resolve` says."""
    url = URL(base)
    allowed = frozenset({origin_key(url)})
    targets = Targets(url, allowed)
    try:
        expected = resolve(url, path, allowed=allowed)
    except OriginError:
        with pytest.raises(OriginError):
            targets.add(path)
        assert targets.get(path) is None
        return
    added = targets.add(path)
    assert (str(added), origin_key(added)) == (str(expected), origin_key(expected))
    assert targets.get(path) is added


def test_targets_of_another_base_are_not_remembered() -> None:
    """What one client remembers is not served to another, nor beyond a bound of number and length."""
    first, second = (
        Targets(URL(base), frozenset()) for base in ("https://one.example", "https://two.example")
    )
    assert first.add("/x").host == "one.example"
    assert second.get("/x") is None
    assert second.add("/x").host == "two.example"
    first.add("/" + "y" * 5_000)
    assert first.get("/" + "y" * 5_000) is None
    for number in range(128):
        first.add(f"/{number}")
    assert first.get("/x") is None
    assert first.get("/127") is not None
