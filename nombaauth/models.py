"""Requests and responses of Nomba, named as the components of an OpenAPI description would be.

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
from nauth.time_formats import LooseInstant

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
    """Body of `POST /v1/auth/token/issue`.

    Attributes:
        client_id: the API key's id.
        client_secret: the API key's secret.
        grant_type: always ``client_credentials``.
    """

    client_id: str
    client_secret: Secret
    grant_type: Literal["client_credentials"] = "client_credentials"


@attrs.frozen(kw_only=True)
class RefreshTokenRequest:
    """Body of `POST /v1/auth/token/refresh`.

    Attributes:
        refresh_token: from the last issue or refresh.
        grant_type: always ``refresh_token``.
    """

    refresh_token: Secret
    grant_type: Literal["refresh_token"] = "refresh_token"


@attrs.frozen(kw_only=True)
class RevokeTokenRequest:
    """Body of `POST /v1/auth/token/revoke`. The JSON really has `clientId` beside `access_token`.

    Attributes:
        client_id: the API key's id.
        access_token: the token to revoke.
    """

    client_id: str
    access_token: Secret


@attrs.frozen(kw_only=True)
class TokenData:
    """The `data` of an issue or refresh response.

    Attributes:
        access_token: sent on requests.
        refresh_token: may be absent or empty on refresh; then the old one stays valid.
        expires_at: expiry; None if it cannot be read. (Nomba's description wrongly calls it the time of creation.)
        expires_in: seconds, seen in one third-party description only; a fallback.
        business_id: the account the token is for; missing from some responses of Nomba's sandbox.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: LooseInstant = None
    expires_in: object = attrs.field(default=None, repr=False)
    business_id: str | None = None


@attrs.frozen(kw_only=True)
class Balance:
    """The `data` of `GET /v1/accounts/balance`.

    Attributes:
        amount: exact, because the JSON holds it as text.
        currency: such as ``NGN``.
        time_created: Nomba's `timeCreated`.
    """

    amount: Decimal
    currency: str
    time_created: datetime


@attrs.frozen(kw_only=True)
class RateLimit:
    """The `X-Rate-Limit-*` headers of a response.

    Source: https://developer.nomba.com/docs/api-basics/rate_limit.md

    Attributes:
        limit: requests allowed in one window.
        remaining: requests left in this window.
        window: length of the window.
    """

    limit: int | None = None
    remaining: int | None = None
    window: timedelta | None = None


# Both are made for each call: slots that are frozen are slow to fill, and so is a class that is called with names.


@attrs.frozen(slots=False)
class AnswerMeta(reply.AnswerMeta):
    """What came with a response beside its body.

    Attributes:
        rate_limit: what is left of the quota, if the response said so.
    """

    rate_limit: RateLimit | None = None


@attrs.frozen(slots=False)
class Envelope(reply.Reply[T_co]):
    """The envelope of every response. It is a success only if the status is 2xx **and** the code is ``00``.

    Source: https://developer.nomba.com/docs/api-basics/error-codes

    Attributes:
        code: two digits or more, as text.
        data: the answer itself.
        description: Nomba's words.
        meta: status and headers; not part of the body. An envelope made by hand has those of a 200 sent in 1970.
    """

    code: str
    data: T_co
    description: str | None = None
    meta: Annotated[AnswerMeta, override(omit=True)] = AnswerMeta(status=200, sent_wall_s=0.0)
