"""`Reply`: a successful response, typed. `AnswerMeta`: what came with it beside its body."""

from __future__ import annotations

from typing import Generic, Self, TypeVar

import attrs

from nauth.transport.base import Answer

__all__ = ["AnswerMeta", "Reply", "T_co"]

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen(kw_only=True, slots=False)  # made for each call: slots that are frozen are slow to fill
class AnswerMeta:
    """What came with a response beside its body.

    Attributes:
        status: HTTP status.
        date: the `Date` header as sent, if there was one.
        sent_wall_s: when the request went out, in epoch seconds of this machine's clock.
        request_id: the vendor's name for the exchange, if it gave one.
    """

    status: int
    date: str | None = None
    sent_wall_s: float
    request_id: str | None = None

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Return what came with `answer`."""
        return cls(
            status=answer.status,
            date=answer.headers.get("Date"),
            sent_wall_s=answer.sent_wall,
            request_id=answer.request_id,
        )


@attrs.frozen(kw_only=True, slots=False)  # made for each call: slots that are frozen are slow to fill
class Reply(Generic[T_co]):
    """A successful response. A vendor whose bodies have an envelope derives its own class from this one.

    Attributes:
        data: what the body says.
        meta: status, date, request id, and when the request was sent.
    """

    data: T_co
    meta: AnswerMeta
