"""What vendors' packages do with transports."""

from __future__ import annotations

from datetime import timedelta

import pytest
from yarl import URL

from nauth.errors import NotSentError, OriginError, OutcomeUnknownError, VendorUnavailableError
from nauth.transport.base import Request
from nauth.transport.token_calls import ErrorClasses, send, translate
from tests.support.transport import FakeTransport


class OwnError(VendorUnavailableError):
    """A vendor's leaf."""


class OwnNotSentError(OwnError, NotSentError):
    """A narrower leaf."""


LEAVES: ErrorClasses = {NotSentError: OwnNotSentError, VendorUnavailableError: OwnError}


def test_the_narrower_kind_wins() -> None:
    """Kinds are looked through in order, and the data come along."""
    error = translate(NotSentError("text", retry_after=timedelta(seconds=3)), LEAVES)
    assert (type(error), str(error), error.retry_after) == (OwnNotSentError, "text", timedelta(seconds=3))


def test_what_has_no_leaf_stays() -> None:
    """An error of another kind keeps its class, but is a new object."""
    error = OriginError("text")
    assert type(translate(error, LEAVES)) is OriginError
    assert translate(error, LEAVES) is not error


def test_the_vendors_own_stays() -> None:
    """A leaf is not widened to another leaf of its kind."""
    assert type(translate(OwnNotSentError("text"), {VendorUnavailableError: OwnError})) is OwnNotSentError


async def test_send_raises_the_leaf_without_a_cause() -> None:
    """What comes out of `send` is the vendor's own, with no chain whose frames could hold the request."""
    transport = FakeTransport(VendorUnavailableError("down"), OutcomeUnknownError("lost"))
    request = Request(method="GET", url=URL("https://api.example.com"))
    with pytest.raises(OwnError) as caught:
        await send(transport, request, LEAVES)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    with pytest.raises(OutcomeUnknownError):
        await send(transport, request, LEAVES)
