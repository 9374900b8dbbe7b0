"""The lines that the vendors print work against the sandboxes of `nauth sandbox` as they start by default."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from naoauth.sandbox import NaoSandbox
from nomadauth.sandbox import NomadSandbox
from nombaauth.sandbox import NombaSandbox
from tests.vendors_own.printed import (
    NAO_CURL,
    NOMAD_JS_REFRESH,
    NOMAD_JS_SSO,
    NOMAD_PYTHON_REFRESH,
    NOMAD_PYTHON_SSO,
    NOMBA,
)

pytestmark = pytest.mark.slow

_NODE, _CURL = shutil.which("node"), shutil.which("curl")
_needs = {
    "javascript": pytest.mark.skipif(_NODE is None, reason="needs node"),
    "bash": pytest.mark.skipif(_CURL is None, reason="needs curl"),
    "python": pytest.mark.skipif(
        find_spec("requests") is None, reason="needs requests, of the group vendors-own"
    ),
}
_languages = pytest.mark.parametrize(
    "language", [pytest.param(name, marks=mark) for name, mark in _needs.items()]
)


def _ran(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - node, curl or this Python
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _run(language: str, lines: str, given: dict[str, str], shown: dict[str, str]) -> dict[str, Any]:
    """Run `lines` after names were given values; return what the `shown` expressions are afterwards."""
    if language == "javascript":
        before = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
        after = ", ".join(f"{name}: {expression}" for name, expression in shown.items())
        assert _NODE is not None
        found = _ran(
            [_NODE, "--input-type=module", "-e", f"{before}{lines}\nconsole.log(JSON.stringify({{{after}}}))"]
        )
    else:
        before = "".join(f"{name} = {value!r}\n" for name, value in given.items())
        after = ", ".join(f"{name!r}: {expression}" for name, expression in shown.items())
        found = _ran([sys.executable, "-c", f"{before}{lines}\nimport json\nprint(json.dumps({{{after}}}))"])
    read: dict[str, Any] = json.loads(found)
    return read


def _curl(lines: str) -> Any:
    assert _CURL is not None
    said = _ran([_CURL, "--silent", *shlex.split(lines.replace("\\\n", " "))[1:]])
    # with -i, which the page prints, the headers come first
    return json.loads(said.replace("\r\n", "\n").rpartition("\n\n")[2])


@_languages
def test_nombas_lines(language: str) -> None:
    """Issue, refresh and revoke, in each language of the page."""
    with NombaSandbox() as sandbox:
        key = sandbox.credentials
        swaps = {
            "https://api.nomba.com": sandbox.base_url,
            "<accountid>": key.account_id,
            "replace-with-your-client-id": key.client_id,
            "replace-with-your-client-secret": key.client_secret.reveal(),
            "2242b79d-f2cf-4ccc-ada1-e890bd1a9f0d": key.client_id,
        }

        def lines(what: str, **more: str) -> str:
            text = NOMBA[what, language]
            for old, new in {**swaps, **more}.items():
                text = text.replace(old, new)
            return text

        if language == "bash":
            issued = _curl(lines("issue"))["data"]
            tokens = {
                "<token>": issued["access_token"],
                "01h4gdx2tctxfjgacbdwrcvs5d1688473602892": issued["refresh_token"],
            }
            renewed = _curl(lines("refresh", **tokens))["data"]
            revoked = _curl(lines("revoke", **{"<access_token_to_revoke>": renewed["access_token"]}))["code"]
        else:
            js = language == "javascript"
            issued = _run(
                language,
                lines("issue"),
                {},
                {"access_token": "access_token", "refresh_token": "refresh_token"},
            )
            names = ("accessToken", "refreshToken") if js else ("access_token", "refresh_token")
            given = dict(zip(names, (issued["access_token"], issued["refresh_token"]), strict=True))
            fresh = "newAccessToken" if js else "new_access_token"
            renewed = _run(language, lines("refresh"), given, {"access_token": fresh})
            live = {names[0]: renewed["access_token"]}
            revoked = _run(language, lines("revoke"), live, {"code": "code" if js else "result['code']"})[
                "code"
            ]
        assert revoked == "00"
        assert renewed["access_token"] != issued["access_token"]
        assert dict(sandbox.committed) == {"issue": 1, "refresh": 1, "revoke": 1}
        assert [exchange.status for exchange in sandbox.log] == [200, 200, 200]


@pytest.mark.parametrize(
    "language", [pytest.param(name, marks=_needs[name]) for name in ("javascript", "python")]
)
def test_nomads_single_sign_on_lines(language: str) -> None:
    """Tokens read from where the browser came back to work: a token with a plus sign in it too."""
    with NomadSandbox() as sandbox:
        back = sandbox.sign_on()
        assert "%2B" in back
        root = sandbox.base_url
        if language == "javascript":
            given = (
                "const constants = {SSO_AUTH_PROVIDER: 'azure'};\n"
                f"const window = {{location: {{search: {json.dumps('?' + back.partition('?')[2])}}}}};\n"
            )
            found = _run(
                language,
                f"{given}let token, refreshToken;\n"
                + NOMAD_JS_SSO.replace("const token", "token").replace("const refreshToken", "refreshToken")
                + "}",
                {},
                {"token": "token", "refresh": "refreshToken"},
            )
            body = NOMAD_JS_REFRESH.replace("https://{adminApiUrl}", root).replace("export default ", "")
            stored = f"const stored = {{refreshToken: {json.dumps(found['refresh'])}}};\nconst constants = {{SSO_AUTH_PROVIDER: 'azure'}};\nconst sessionStorage = {{getItem: (k) => stored[k], setItem: (k, v) => {{ stored[k] = v; }}}};\n"
            renewed = _run(language, f"{stored}{body}\nawait refreshToken();", {}, {"token": "stored.token"})
        else:
            given = f"import urllib.parse\nfrom types import SimpleNamespace\nwindow = SimpleNamespace(location={back!r})\nconstants = SimpleNamespace(SSO_AUTH_PROVIDER='azure')\nauth_callback_from_query_string = None\n"
            found = _run(
                language, given + NOMAD_PYTHON_SSO, {}, {"token": "token[0]", "refresh": "refresh_token[0]"}
            )
            body = NOMAD_PYTHON_REFRESH.replace("https://{adminApiUrl}", root).replace(
                "{SSO_AUTH_PROVIDER}", "azure"
            )
            renewed = _run(
                language, body + f"info = refresh_token({found['refresh']!r})", {}, {"token": "info['token']"}
            )
        assert renewed["token"]
        assert renewed["token"] != found["token"]
        assert [exchange.status for exchange in sandbox.log] == [200]


@_needs["bash"]
def test_nao_clouds_lines() -> None:
    """A session by key and by password, and the sites by key, JWT and access token."""
    with NaoSandbox(oauth_refresh="kept") as sandbox:
        key: Any = sandbox.credentials_of("api_key")
        person, application = sandbox.credentials, sandbox.credentials_of("oauth")
        assert person.password is not None
        secret = key.auth_token.reveal()
        swaps = {
            "https://www.nao-cloud.com": sandbox.base_url,
            "http://www.nao-cloud.com": sandbox.base_url,
            '"EMAIL"': json.dumps(person.email),
            '"PASSWORD"': json.dumps(person.password.reveal()),
            "API_KEY": secret,
        }

        def line(name: str, **more: str) -> Any:
            text = NAO_CURL[name]
            for old, new in {**swaps, **more}.items():
                text = text.replace(old, new)
            return _curl(text)

        first = line("session_by_key")["meta"]["jwt"]
        second = line("session_by_password")["meta"]["jwt"]
        granted = _ran(
            [
                _CURL or "",
                "--silent",
                "--data-urlencode",
                "grant_type=refresh_token",
                "--data-urlencode",
                f"refresh_token={application.refresh_token.reveal()}",  # type: ignore[union-attr,unused-ignore]  # an application's
                "--data-urlencode",
                f"client_id={application.client_id}",  # type: ignore[union-attr,unused-ignore]  # as above
                "--data-urlencode",
                f"client_secret={application.client_secret.reveal()}",  # type: ignore[union-attr,unused-ignore]  # as above
                f"{sandbox.base_url}/oauth/token",
            ]
        )
        access = json.loads(granted)["access_token"]
        for name, more in (
            ("sites_by_key", {}),
            ("sites_by_jwt", {"Authorization: JWT": f"Authorization: {first}"}),
            ("sites_by_jwt", {"Authorization: JWT": f"Authorization: {second}"}),
            ("sites_by_oauth", {"ACCESS_TOKEN": access}),
        ):
            assert len(line(name, **more)["data"]) == 2
        assert {exchange.status for exchange in sandbox.log} <= {200, 201}
