"""One wrong byte in an error body, such as an umlaut in Latin-1, must not hide what the vendor says."""

from __future__ import annotations

import pytest
from yarl import URL

from naoauth import NaoBadRequestError, SitePage
from naoauth.errors import Endpoint as NaoEndpoint
from naoauth.responses import read_response as read_nao
from nauth.errors import CredentialsRejectedError
from nauth.oauth2.errors import Operation
from nauth.oauth2.token_response import read_token
from nomadauth import AccountLoginResponse, LoginStatus, NomadAccountBlockedError
from nomadauth.errors import Endpoint as NomadEndpoint
from nomadauth.responses import read_response as read_nomad
from nombaauth import Balance, NombaTokenRefusedError
from nombaauth.errors import Endpoint as NombaEndpoint
from nombaauth.responses import read_response as read_nomba
from noyoauth import GroupsPage, NoyoNotFoundError
from noyoauth.errors import Endpoint as NoyoEndpoint
from noyoauth.responses import read_response as read_noyo
from tests.support.transport import answer

_WORDS, _SHOWN = "nicht für Sie", "nicht f\ufffdr Sie"


def _latin(text: str) -> bytes:
    return (text % _WORDS).encode("latin-1")


def test_nomad() -> None:
    """The login status behind it is still read."""
    wire = _latin('{"title": "%s", "loginStatus": "IsExpired"}')
    with pytest.raises(NomadAccountBlockedError) as refused:
        read_nomad(answer(403, wire), NomadEndpoint.LOGIN, AccountLoginResponse)
    assert (refused.value.detail, refused.value.login_status) == (_SHOWN, LoginStatus.IS_EXPIRED)


@pytest.mark.parametrize("status", [401, 200])
def test_nomba(status: int) -> None:
    """The code is still read, with a status of success too, where it alone says that the token was refused."""
    wire = _latin('{"description": "%s", "code": "401"}')
    with pytest.raises(NombaTokenRefusedError) as refused:
        read_nomba(answer(status, wire), NombaEndpoint.RESOURCE, Balance)
    assert (refused.value.detail, refused.value.code) == (_SHOWN, "401")


def test_noyo() -> None:
    """Words and members are still read, beside a number that is none."""
    wire = _latin('{"message": "%s", "status": "error", "x": 1e400}')
    with pytest.raises(NoyoNotFoundError) as refused:
        read_noyo(answer(404, wire), NoyoEndpoint.RESOURCE, GroupsPage, where="here")
    assert refused.value.detail == _SHOWN
    assert refused.value.body is not None
    assert (refused.value.body.status, refused.value.body.raw) == ("error", wire)


def test_nao() -> None:
    """The words are still told."""
    wire = _latin('{"errors": [{"detail": "%s"}]}')
    with pytest.raises(NaoBadRequestError) as refused:
        read_nao(answer(422, wire), NaoEndpoint.JWT_RESOURCE, SitePage, url=URL("https://h.test/p"))
    assert refused.value.detail == _SHOWN


@pytest.mark.parametrize("status", [400, 200])
def test_oauth2(status: int) -> None:
    """The code is still read, with a status of success too."""
    wire = _latin('{"error": "invalid_grant", "error_description": "%s"}')
    with pytest.raises(CredentialsRejectedError) as refused:
        read_token(answer(status, wire), Operation.REFRESH_TOKEN, name="the server")
    assert (refused.value.detail, refused.value.code) == (_SHOWN, "invalid_grant")
