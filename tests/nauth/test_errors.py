from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from nauth import errors
from nauth.errors import MalformedResponseError, NauthError, VendorUnavailableError, fresh_copy, recast

KINDS = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_copy_and_pickle(kind: type[NauthError]) -> None:
    """Each error is rebuilt with its text and data, for waiters and worker processes both get copies."""
    error = kind("no", status=503, code="9", request_id="r", retry_after=timedelta(seconds=3))
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error)), fresh_copy(error)):  # noqa: S301 - our own
        assert type(twin) is kind
        assert twin is not error
        assert str(twin) == "no"
        assert (twin.status, twin.code, twin.request_id) == (503, "9", "r")
        assert twin.retry_after == timedelta(seconds=3)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_nauth_error_and_no_os_error(kind: type[NauthError]) -> None:
    """One except clause catches all; none is an OSError, which aiohttp would swallow and retry."""
    assert issubclass(kind, NauthError)
    assert not issubclass(kind, OSError)
    assert kind().args == ("",)
    assert kind.__name__ in str(errors.__doc__)


def test_malformed_keeps_its_problems() -> None:
    """The problems of an answer travel with the error and its copies."""
    error = MalformedResponseError("odd", problems=("$.a: missing",), status=200)
    assert error.problems == ("$.a: missing",)
    assert fresh_copy(error).problems == ("$.a: missing",)
    assert fresh_copy(error).status == 200
    assert MalformedResponseError().problems == ()


def test_fresh_copy_leaves_the_history_behind() -> None:
    """A copy starts without traceback, cause and context, and with its own list of the notes."""
    with pytest.raises(VendorUnavailableError) as caught:
        raise VendorUnavailableError("down") from KeyError("canary")
    caught.value.add_note("seen")
    twin = fresh_copy(caught.value)
    assert caught.value.__traceback__ is not None
    assert caught.value.__cause__ is not None
    assert (twin.__traceback__, twin.__cause__, twin.__context__) == (None, None, None)
    assert twin.__notes__ == ["seen"]
    twin.add_note("mine")
    assert caught_notes(twin) == ["seen", "mine"]
    assert not hasattr(fresh_copy(VendorUnavailableError("down")), "__notes__")


def test_notes_are_not_shared() -> None:
    """A note on one waiter's copy does not appear on another's."""
    error = VendorUnavailableError("down")
    error.add_note("seen")
    fresh_copy(error).add_note("mine")
    assert caught_notes(error) == ["seen"]


def test_recast() -> None:
    """A kind becomes the vendor's leaf of that kind with text, data and notes of its own, and no history."""

    class LeafError(VendorUnavailableError):
        pass

    with pytest.raises(VendorUnavailableError) as caught:
        raise VendorUnavailableError("down", status=503, retry_after=timedelta(seconds=3))
    caught.value.add_note("seen")
    leaf = recast(caught.value, LeafError)
    assert type(leaf) is LeafError
    assert (str(leaf), leaf.status, leaf.retry_after) == ("down", 503, timedelta(seconds=3))
    assert leaf.__traceback__ is None
    leaf.add_note("mine")
    assert (caught_notes(caught.value), caught_notes(leaf)) == (["seen"], ["seen", "mine"])


def caught_notes(error: BaseException) -> list[str]:
    return error.__notes__
