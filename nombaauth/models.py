"""What travels between a client and Nomba, named as the components of an OpenAPI description would be.

Source: https://developer.nomba.com/nomba-api-reference/openapi.json
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import attrs
from cattrs import override

from nauth.responses import reply
from nauth.responses.reply import T_co
from nauth.secret import Secret
from nauth.times import LooseInstant

__all__ = [
    "AnswerMeta",
    "Balance",
    "Envelope",
    "IssueTokenRequest",
    "RateLimit",
    "RefreshTokenRequest",
    "RevokeTokenRequest",
    "TokenData",
]


@attrs.frozen(kw_only=True)
class IssueTokenRequest:
    """Body of `POST /v1/auth/token/issue`."""

    client_id: str
    client_secret: Secret
    grant_type: Literal["client_credentials"] = "client_credentials"


@attrs.frozen(kw_only=True)
class RefreshTokenRequest:
    """Body of `POST /v1/auth/token/refresh`."""

    refresh_token: Secret
    grant_type: Literal["refresh_token"] = "refresh_token"


@attrs.frozen(kw_only=True)
class RevokeTokenRequest:
    """Body of `POST /v1/auth/token/revoke`. The wire really has `clientId` beside `access_token`."""

    client_id: str
    access_token: Secret


@attrs.frozen(kw_only=True)
class TokenData:
    """The `data` of an issue or refresh answer.

    Attributes:
        access_token: goes on requests.
        refresh_token: may be absent or empty on refresh: the old one stays valid then.
        expires_at: end of life; None where the answer's form cannot be read. (Nomba's description calls it the
            time of creation, which it is not.)
        expires_in: seconds, seen in one third-party description only; a fallback.
        business_id: the account the token is for; missing from some sandbox answers.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: LooseInstant = None
    expires_in: object = attrs.field(default=None, repr=False)
    business_id: str | None = None


@attrs.frozen(kw_only=True)
class Balance:
    """The `data` of `GET /v1/accounts/balance`. `amount` is exact: the wire carries it as text."""

    amount: Decimal
    currency: str
    time_created: datetime


@attrs.frozen(kw_only=True)
class RateLimit:
    """The `X-Rate-Limit-*` headers of an answer.

    Source: https://developer.nomba.com/docs/api-basics/rate_limit.md
    """

    limit: int | None = None
    remaining: int | None = None
    window: timedelta | None = None


@attrs.frozen(kw_only=True)
class AnswerMeta(reply.AnswerMeta):
    """What came with a response beside its body.

    Attributes:
        rate_limit: what is left of the quota, if the response said so.
    """

    rate_limit: RateLimit | None = None


@attrs.frozen(kw_only=True)
class Envelope(reply.Reply[T_co]):
    """What every answer is wrapped in. An answer is a success only if its status is 2xx **and** its code is ``00``.

    Source: https://developer.nomba.com/docs/api-basics/error-codes

    Attributes:
        code: two digits or more, as text.
        description: Nomba's words.
        data: the answer itself.
        meta: status and headers; not part of the body. An envelope made by hand has those of a 200 sent in 1970.
    """

    code: str
    description: str | None = None
    data: T_co
    meta: Annotated[AnswerMeta, override(omit=True)] = AnswerMeta(status=200, sent_wall_s=0.0)
