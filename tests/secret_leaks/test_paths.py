"""Each way to sign in, through a tour of successes and failures."""

from __future__ import annotations

import pytest

from tests.secret_leaks.places import EXTRA, PLACES
from tests.secret_leaks.scene import ALL, Scene, play
from tests.secret_leaks.steps import FEWER, STEPS
from tests.support.vendors.table import Case


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_no_secret_is_shown(case: Case) -> None:
    """On no path does a canary appear anywhere but in the part of the request that must carry it."""
    scene = Scene(case)
    play(scene, *(FEWER if case.name.endswith("-harsh") else STEPS))
    assert scene.witness.render()
    assert len(scene.canaries) > 1
    but = EXTRA if case.name.startswith("NaoOAuth") else {}
    assert scene.witness.leaks(scene.canaries, but=but) == []
    assert scene.misplaced(PLACES[case.vendor.name]) == []
