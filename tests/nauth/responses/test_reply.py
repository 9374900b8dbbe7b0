"""A successful response as a typed reply, and what came with it."""

from __future__ import annotations

import attrs
import pytest

from nauth.errors import MalformedResponseError
from nauth.responses.body import read_body
from nauth.responses.reply import AnswerMeta, Reply
from nauth.wire.converter import make_converter
from nomadauth import AnswerMeta as NomadMeta
from nomadauth import Reply as NomadReply
from nombaauth import AnswerMeta as NombaMeta
from nombaauth import Envelope
from noyoauth import AnswerMeta as NoyoMeta
from noyoauth import Reply as NoyoReply
from tests.support.leaks.errors import leaks
from tests.support.transport import answer


@attrs.frozen(kw_only=True)
class _Thing:
    name: str


def test_meta_is_taken_from_the_response() -> None:
    """Status, date, request id and the moment of sending; what is missing is None."""
    headers = {"Date": "Thu, 02 Jul 2026 00:00:00 GMT", "X-Request-Id": "r-1"}
    assert AnswerMeta.of(answer(201, b"", headers=headers, sent_wall=5.0)) == AnswerMeta(
        status=201, date=headers["Date"], request_id="r-1", sent_wall_s=5.0
    )
    assert AnswerMeta.of(answer(204, b"")).date is None
    assert type(NombaMeta.of(answer(200, b""))) is NombaMeta


def test_the_vendors_share_one_reply() -> None:
    """Code that takes a `Reply` takes what any vendor's endpoint returns."""
    assert NomadMeta is NoyoMeta is AnswerMeta
    assert NomadReply is NoyoReply is Reply
    assert issubclass(NombaMeta, AnswerMeta)
    assert issubclass(Envelope, Reply)


def test_a_body_is_read_into_its_type() -> None:
    """As it is, or after the vendor has brought it into shape."""
    converter = make_converter()
    given = answer(200, {"name": "a"})
    assert read_body(given, _Thing, converter=converter, what="x") == _Thing(name="a")
    read = read_body(given, _Thing, converter=converter, what="x", shape=lambda _: {"name": "b"})
    assert read == _Thing(name="b")


class _StrangeError(MalformedResponseError):
    pass


@pytest.mark.parametrize("wire", [b"CANARY", {"name": ["CANARY"]}, ["CANARY"]])
def test_a_body_that_cannot_be_read(wire: object) -> None:
    """The vendor's own class, with status and request id; no frame of it holds anything of the body."""
    given = answer(200, wire, headers={"X-Request-Id": "r-1"})
    with pytest.raises(_StrangeError, match="The thing could not be understood") as refused:
        read_body(given, _Thing, converter=make_converter(), what="the thing", error=_StrangeError)
    assert (refused.value.status, refused.value.request_id) == (200, "r-1")
    assert leaks(refused.value, ["CANARY"]) == []
