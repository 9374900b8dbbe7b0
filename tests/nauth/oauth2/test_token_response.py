"""What a token endpoint's success may hold."""

from __future__ import annotations

import pytest

from nauth.errors import MalformedResponseError
from nauth.oauth2.errors import Operation
from nauth.oauth2.token_response import read_token
from tests.support.transport import answer


@pytest.mark.parametrize("token", ["CANARY 4711", " CANARY", "CANARY\t", "CANARY\n", "CAN\u00c4RY"])
def test_a_token_with_white_space_is_refused(token: str) -> None:
    """It would end early in the `Authorization` header, or could not stand there; it is not quoted."""
    with pytest.raises(MalformedResponseError) as refused:
        read_token(answer(200, {"access_token": token}), Operation.CLIENT_CREDENTIALS, name="the server")
    assert refused.value.problems == (
        "$.access_token: expected printable ASCII without white space, got another str",
    )
    assert "CAN" not in str(refused.value)
