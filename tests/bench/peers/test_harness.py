"""The comparison's own adapters run, so that it does not rot: ours and the sketch need no other package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.peers.catalogue import PEERS, installed
from tests.bench.peers.one import play
from tests.bench.peers.peer import CannotDoError, Peer, Setup
from tests.bench.peers.plots import Bar, bars
from tests.bench.peers.report import PAGE, TABLES, write
from tests.bench.peers.scenarios import SCENARIOS, Figures
from tests.bench.peers.server import Control, serving

_DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    with serving() as found:
        yield found


def _figures(played: Figures) -> Figures:
    assert set(played) == {"figures"}, played
    figures: Figures = played["figures"]
    return figures


@pytest.mark.parametrize("peer", ["nauth", "lock and timestamp"])
def test_a_cold_crowd_makes_one_call(peer: str, control: Control, tmp_path: Path) -> None:
    """A thousand callers without a token are one token call, counted by the server."""
    assert _figures(play(peer, "cold", control, tmp_path)) == {"calls": 1, "errors": {}}


def test_a_token_lost_with_its_caller_is_seen(control: Control, tmp_path: Path) -> None:
    """Where refresh tokens work once, the sketch's next caller is refused and ours is not."""
    assert _figures(play("nauth", "rotating", control, tmp_path)) == {"calls": 1, "errors": {}}
    assert _figures(play("lock and timestamp", "rotating", control, tmp_path))["errors"] == {
        "ClientResponseError": 1
    }


def test_a_token_that_follows_a_redirect_is_seen(control: Control, tmp_path: Path) -> None:
    """The other origin counts the tokens that come to it: the sketch's, not ours."""
    assert _figures(play("nauth", "redirect", control, tmp_path))["leaked"] == 0
    assert _figures(play("lock and timestamp", "redirect", control, tmp_path))["leaked"] == 1


def test_a_torn_stream_is_seen(control: Control, tmp_path: Path) -> None:
    """The API tells how much of a stream it accepted; ours is never sent in part."""
    assert _figures(play("nauth", "stream", control, tmp_path))["torn"] == 0


def test_what_a_library_cannot_do_is_a_row_with_its_reason(control: Control, tmp_path: Path) -> None:
    """A scenario without a part in the library has no figures and is no failure."""
    assert "cannot" in play("azure-identity", "rotating", control, tmp_path)
    with pytest.raises(CannotDoError):
        Peer(Setup(url=control.url)).made()


def test_a_package_that_is_missing_is_told() -> None:
    """Ours and the sketch are always here; an adapter's module can be imported without its package."""
    assert installed(PEERS["nauth"])
    assert installed(PEERS["lock and timestamp"])
    assert len(PEERS) == 16


def test_every_scenario_has_its_column() -> None:
    """The report forgets no scenario."""
    assert {name for columns in TABLES.values() for name, _, _ in columns} == set(SCENARIOS)


def test_the_page_is_what_the_results_say(tmp_path: Path) -> None:
    """Page and plots are drawn from the recorded results, and their figures are not edited by hand."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "explanation").mkdir()
    shutil.copy(_DOCS / PAGE, tmp_path / PAGE)
    write(json.loads(Path(__file__).with_name("results.json").read_text()), tmp_path)
    assert (tmp_path / PAGE).read_text() == (_DOCS / PAGE).read_text()
    for drawn in (tmp_path / "figures").iterdir():
        assert drawn.read_text() == (_DOCS / "figures" / drawn.name).read_text()


def test_bars_are_as_long_as_their_values() -> None:
    """On a plain scale the largest fills its room and a zero has no length; what is said stands in the title too."""
    drawn = bars("calls", [Bar("a", 10, "10"), Bar("b", 0, "0"), Bar("c", None, "hangs")])
    assert 'width="420.0"' in drawn
    assert 'width="0.0"' in drawn
    assert "<title>calls: a 10; b 0; c hangs</title>" in drawn
