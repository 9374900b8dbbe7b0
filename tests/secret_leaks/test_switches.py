"""The vendors' other tempers: every value of every switch of their doubles, in turn; the defaults are `test_paths`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import pytest

import naoauth.sandbox
import nomadauth.sandbox
import nombaauth.sandbox
import noyoauth.sandbox
from nauth.client import VendorClient
from tests.secret_leaks.places import EXTRA, PLACES
from tests.secret_leaks.scene import ALL, DAY, Scene, act, harvest
from tests.secret_leaks.steps import approved
from tests.support.leaks.detector import Witness, wrapped

_CASES = {case.name: case for case in ALL}

SWITCHES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "nomad": nomadauth.sandbox.SWITCHES,
    "nomba": nombaauth.sandbox.SWITCHES,
    "noyo": noyoauth.sandbox.SWITCHES,
    "nao": naoauth.sandbox.SWITCHES,
}
"""Vendor -> switch -> all its values, the default first."""

_WAYS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "nomad": (
        ("sso_", ("NomadSSO",)),
        ("static_", ("NomadStaticToken", "NomadApiKey")),
        ("token_kind", ("NomadPassword", "NomadSSO")),
        ("throttle", ("NomadPassword", "NomadSSO")),
        ("", ("NomadPassword",)),
    ),
    "nomba": (("", ("NombaCredentials",)),),
    "noyo": (("", ("NoyoCredentials",)),),
    "nao": (
        ("oauth_", ("NaoOAuth",)),
        ("auth_token_", ("NaoSession-key", "NaoApiKey")),
        ("api_key_", ("NaoSession-key", "NaoApiKey")),
        ("bearer_jwt", ("NaoSession-password", "NaoOAuth")),
        ("throttle", ("NaoSession-password", "NaoOAuth", "NaoApiKey")),
        ("errors_form", ("NaoSession-password", "NaoOAuth")),
        ("", ("NaoSession-password",)),
    ),
}
"""Vendor -> how a switch's name begins -> the ways to sign in that it matters to; the first that fits holds."""

_BESIDE: Mapping[str, Mapping[str, str]] = {
    "refresh_kills_old_token": {"refresh_rotation": "new_old_dies"},
    "refresh_kills_old_access": {"refresh_rotation": "new_old_dies"},
    "replaced_session_signal": {"user_session": "newest_only"},
    "expires_at_skew": {"refresh_bearer": "expired_ok"},
    "auth_quota": {"rate_class": "regular"},
    "rate_headers": {"rate_class": "regular"},
    "auth_token_shape": {"auth_token_place": "meta", "jwt_key": "odd_name"},
    "jwt_key": {"auth_token_place": "meta"},
    "jwt_prefix": {"jwt_place": "response_header"},
}
"""What a switch needs beside it for its values to matter."""


def _scenes(vendor: str) -> Iterator[tuple[str, Scene]]:
    for switch, values in SWITCHES[vendor].items():
        names = next(names for start, names in _WAYS[vendor] if switch.startswith(start))
        for value in values[1:]:
            for name in names:
                yield (
                    f"{name}, {switch}={value}",
                    Scene(_CASES[name], {**_BESIDE.get(switch, {}), switch: value}),
                )


async def _lived(scene: Scene, client: VendorClient) -> None:
    await approved(scene, client)
    await scene.attempt("token", client.token())
    await scene.attempt("request", scene.status(client))
    await scene.attempt("check", client.check())  # type: ignore[attr-defined]  # every vendor's client has it
    await scene.attempt("renew", client.renew())


async def tour(scene: Scene) -> None:
    """Sign in, request, renew, be thrown out twice, come back, leave; and sign in with what is wrong."""
    async with await scene.client() as client:
        await _lived(scene, client)
        scene.sandbox.kill_sessions()
        await scene.attempt("request, thrown out", scene.status(client))
        if scene.case.vendor.name != "noyo" and scene.case.revives:
            scene.sandbox.kill_sessions(kill_refresh=True)
        scene.clock.advance(DAY)
        await scene.attempt("request, expired", scene.status(client))
        for name in ("ping", "revoke", "logout"):
            if hasattr(client, name):
                await scene.attempt(name, getattr(client, name)())
        scene.witness.shown("client", client)
    if scene.case.wrong:
        async with await scene.client(wrong=True) as client:
            await scene.attempt("token, wrong credential", client.token())


async def _toured(scenes: Iterable[Scene]) -> None:
    for scene in scenes:
        with wrapped(scene.canaries), scene.witness.watching():
            await act(scene, tour)
        harvest(scene.canaries, scene.sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", SWITCHES)
def test_no_switch_brings_a_secret_to_light(vendor: str) -> None:
    """Under every value of every switch a short tour shows no canary, and each stands only where it must."""
    scenes, rendered = dict(_scenes(vendor)), set[object]()
    for (
        scene
    ) in scenes.values():  # an error on its way from a line to another looks the same under every value
        scene.witness = Witness(rendered=rendered)
    assert len(scenes) >= sum(len(values) - 1 for values in SWITCHES[vendor].values())
    with asyncio.Runner() as runner:
        runner.run(_toured(scenes.values()))
    found: dict[str, list[str]] = {}
    for name, scene in scenes.items():
        scene.witness.render()
        but = EXTRA if scene.case.name.startswith("NaoOAuth") else {}
        found[name] = scene.witness.leaks(scene.canaries, but=but) + scene.misplaced(PLACES[vendor])
    assert rendered
    assert {name: leaks for name, leaks in found.items() if leaks} == {}


def test_each_case_of_a_switch_is_a_way_to_sign_in() -> None:
    """No way to sign in is left out, but for the harsh ones, which are switches themselves."""
    used = {name for ways in _WAYS.values() for _, names in ways for name in names}
    assert used == {name for name in _CASES if not name.endswith("-harsh")}
