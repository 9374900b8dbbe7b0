"""`Reply`: a successful response, typed. `AnswerMeta`: what came with it beside its body."""

from __future__ import annotations

from typing import Generic, Self, TypeVar

import attrs
from multidict import istr

from nauth.transport.base import Answer, request_id_of

__all__ = ["DATE", "AnswerMeta", "Reply", "T_co"]

T_co = TypeVar("T_co", covariant=True)

DATE = istr("Date")

# Both are made for each call: slots that are frozen are slow to fill, and so is a class that is called with names.


@attrs.frozen(slots=False)
class AnswerMeta:
    """What came with a response beside its body.

    Attributes:
        status: HTTP status.
        sent_wall_s: when the request went out, in epoch seconds of this machine's clock.
        date: the `Date` header as sent, if there was one.
        request_id: the vendor's name for the exchange, if it gave one.
    """

    status: int
    sent_wall_s: float
    date: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Return what came with `answer`."""
        return cls(answer.status, answer.sent_wall, answer.headers.get(DATE), request_id_of(answer.headers))


@attrs.frozen(slots=False)
class Reply(Generic[T_co]):
    """A successful response. A vendor whose bodies have an envelope derives its own class from this one.

    Attributes:
        data: what the body says.
        meta: status, date, request id, and when the request was sent.
    """

    data: T_co
    meta: AnswerMeta
