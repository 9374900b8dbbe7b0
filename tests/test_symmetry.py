"""The four packages keep one shape; what one vendor alone has is declared in `tests.fakes.shape`, with its reason."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pickle
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from nauth.client import VendorClient
from nauth.errors import NauthError, fresh_copy, recast
from nauth.secret import Secret
from nauth.testing import Sandbox
from tests.fakes.shape import (
    CORE_NAMES,
    LEAVES,
    OPTIONS,
    OTHER_TYPES,
    OWN_CALLS,
    OWN_LEAVES,
    OWN_OPTIONS,
    OWN_ROOMS,
    ROOMS,
    SANDBOX_FACE,
    SANDBOX_OPTIONS,
    SETTINGS,
)
from tests.fakes.vendors import CASES, FIXED, VENDORS, Case, Vendor

ROOT = Path(__file__).parents[1]

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
every_kind = pytest.mark.parametrize(
    "case",
    [case for case in (*CASES, *FIXED) if not case.name.endswith("-harsh")],
    ids=lambda case: case.name,
)


def package(vendor: Vendor) -> str:
    """Name the vendor's package."""
    return f"{vendor.name}auth"


def rooms(vendor: Vendor) -> set[str]:
    """Name the package's modules, by path."""
    base = ROOT / package(vendor)
    return {".".join(path.relative_to(base).with_suffix("").parts) for path in base.rglob("*.py")}


def load(vendor: Vendor, room: str = "__init__") -> ModuleType:
    """Import one of the package's modules."""
    return importlib.import_module(f"{package(vendor)}.{room}".removesuffix(".__init__"))


def named(vendor: Vendor, suffix: str, room: str = "__init__") -> Any:
    """Return the class with the vendor's prefix."""
    return getattr(load(vendor, room), f"{vendor.prefix}{suffix}")


def exceptions(table: Mapping[tuple[str, str], object], vendor: Vendor) -> set[str]:
    """Return what is declared for this vendor."""
    return {what for name, what in table if name == vendor.name}


def leaves(vendor: Vendor) -> Mapping[str, type[NauthError]]:
    """Return suffix -> class of all that derives from the vendor's base."""
    module, base = load(vendor, "errors"), named(vendor, "Error")
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name.removeprefix(vendor.prefix): thing
        for name, thing in found.items()
        if isinstance(thing, type) and issubclass(thing, base) and thing is not base
    }


# --- rooms and doors --------------------------------------------------------------------------------------------------


@every_vendor
def test_every_package_has_the_same_rooms(vendor: Vendor) -> None:
    """No room is missing, and none is there that is not declared."""
    assert rooms(vendor) == ROOMS | exceptions(OWN_ROOMS, vendor)
    assert (ROOT / package(vendor) / "py.typed").read_bytes() == b""


def test_every_exception_is_needed() -> None:
    """Each names a vendor, states a reason, and stands for something that the others' shape does not have."""
    names = {vendor.name for vendor in VENDORS}
    for table in (OWN_ROOMS, OWN_LEAVES, OWN_OPTIONS, OTHER_TYPES, OWN_CALLS):
        assert {name for name, _ in table} <= names
    tables: list[tuple[Mapping[tuple[str, str], str], set[str]]] = [
        (OWN_ROOMS, ROOMS),
        (OWN_LEAVES, set(LEAVES)),
        (OWN_OPTIONS, set(OPTIONS)),
        (OWN_CALLS, set(_face(VendorClient))),
    ]
    for table_, common in tables:
        assert [what for (_, what), reason in table_.items() if what in common or not reason] == []
    for (name, option), (shown, reason) in OTHER_TYPES.items():
        prefix = next(vendor.prefix for vendor in VENDORS if vendor.name == name)
        usual = {**OPTIONS, "credentials": "{prefix}Credentials | None"}[option].format(prefix=prefix)
        assert shown != usual
        assert reason


@every_vendor
def test_every_module_says_what_it_is_for(vendor: Vendor) -> None:
    """Each has a docstring, and an `__all__` whose names exist."""
    for room in sorted(rooms(vendor)):
        module = load(vendor, room)
        assert module.__doc__, room
        assert [name for name in module.__all__ if not hasattr(module, name)] == [], room


@every_vendor
def test_rooms_take_from_each_other_what_is_offered(vendor: Vendor) -> None:
    """What one module imports from another of its package is in the other's `__all__`."""
    taken = [
        f"{room} takes {name} from {source}"
        for room, source, name in _imports(vendor)
        if not _is_offered(importlib.import_module(source), name)
    ]
    assert taken == []


def _is_offered(module: ModuleType, name: str) -> bool:
    # a module taken whole, such as the sandbox's data, is offered by being there
    return name in module.__all__ or isinstance(getattr(module, name), ModuleType)


def _imports(vendor: Vendor) -> Iterator[tuple[str, str, str]]:
    base = ROOT / package(vendor)
    for room in sorted(rooms(vendor)):
        tree = ast.parse((base / f"{room.replace('.', '/')}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package(vendor):
                yield from ((room, node.module or "", alias.name) for alias in node.names)


@every_vendor
def test_the_front_door_offers_the_same(vendor: Vendor) -> None:
    """Client, endpoints, base error, every leaf and authenticator; and of the core the same names everywhere."""
    door = load(vendor)
    offered: set[str] = set(door.__all__)
    core = {name for name in offered if _home(door, name).split(".")[0] == "nauth"}
    assert core == CORE_NAMES
    wanted = {
        f"{vendor.prefix}{suffix}" for suffix in ("Api", "Client", "Credentials", "Error", *leaves(vendor))
    }
    authenticators = {
        name for name in load(vendor, "authenticator").__all__ if name.endswith("Authenticator")
    }
    assert authenticators
    assert wanted | authenticators <= offered
    # the sandbox has a door of its own: importing a client must not import a server
    assert set(load(vendor, "sandbox").__all__) == {f"{vendor.prefix}Sandbox", "SWITCHES", "SwitchOptions"}
    assert set(load(vendor, "config").__all__) >= SETTINGS


def _home(door: ModuleType, name: str) -> str:
    home = getattr(getattr(door, name), "__module__", None)
    # type aliases and constants have no home of their own, so whoever imports them is asked
    return home if isinstance(home, str) and home != "typing" else door.__name__


@every_vendor
def test_public_classes_carry_the_vendors_name(vendor: Vendor) -> None:
    """Clients, endpoints, errors, authenticators, credentials and sandboxes say in a traceback whose they are."""
    for room in ("client", "api", "errors", "authenticator", "sandbox.server"):
        module = load(vendor, room)
        classes = [name for name in module.__all__ if isinstance(getattr(module, name), type)]
        strangers = {name for name in classes if not name.startswith(vendor.prefix)}
        assert strangers == ({"Endpoint"} if room == "errors" else set())
    module = load(vendor, "credentials")
    kinds = [name for name in module.__all__ if isinstance(getattr(module, name), type)]
    assert kinds
    assert [name for name in kinds if not name.startswith(vendor.prefix)] == []


# --- credentials ------------------------------------------------------------------------------------------------------


@every_kind
def test_credentials_are_frozen_comparable_data(case: Case) -> None:
    """Equal ones have one identity, the secret parts show nothing, and `from_env` reads them where that can be."""
    credentials = _credentials(case)
    assert attrs.has(type(credentials))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        credentials.anything = 1
    twin = attrs.evolve(credentials)
    assert (twin, twin.identity()) == (credentials, credentials.identity())
    assert type(credentials).__name__ in repr(credentials)
    assert [
        secret for secret in _secrets(credentials) if secret in f"{credentials!r} {credentials.identity()}"
    ] == []
    assert hasattr(type(credentials), "from_env") is (
        case.name != "NomadSSO"
    )  # a browser's return is no setting


def _credentials(case: Case) -> Any:
    sandbox = case.vendor.sandbox(**case.switches)
    # the return of a single sign-on names the sandbox's address, which it has while it runs only
    sandbox._base_url = "http://127.0.0.1:1"
    return case.credentials(sandbox)


def _secrets(credentials: Any) -> list[str]:
    values = [getattr(credentials, field.name) for field in attrs.fields(type(credentials))]
    found = [value.reveal() for value in values if isinstance(value, Secret)]
    assert found
    return found


# --- the client -------------------------------------------------------------------------------------------------------


@every_vendor
def test_clients_take_the_same_options(vendor: Vendor) -> None:
    """The same keyword parameters in the same order, of the same types; a vendor's own are declared."""
    first, *rest = inspect.signature(named(vendor, "Client")).parameters.values()
    assert (first.name, first.kind, first.default) == ("credentials", first.POSITIONAL_OR_KEYWORD, None)
    assert {parameter.kind for parameter in rest} == {inspect.Parameter.KEYWORD_ONLY}
    common = [parameter for parameter in rest if parameter.name in OPTIONS]
    assert [parameter.name for parameter in common] == list(OPTIONS)
    assert {parameter.name for parameter in rest} - set(OPTIONS) == exceptions(OWN_OPTIONS, vendor)
    assert {parameter.default for parameter in common} == {None}
    usual = {"credentials": "{prefix}Credentials | None", **OPTIONS}
    for parameter in (first, *common):
        other, _ = OTHER_TYPES.get((vendor.name, parameter.name), (None, ""))
        assert parameter.annotation == (other or usual[parameter.name].format(prefix=vendor.prefix))


@every_vendor
def test_clients_have_the_same_face(vendor: Vendor) -> None:
    """All that `VendorClient` offers, unchanged, with `api` and `check`; a vendor's own calls are declared."""
    client = named(vendor, "Client")
    assert issubclass(client, VendorClient)
    own = set(_face(client)) - set(_face(VendorClient))
    assert own == {"api", "check"} | exceptions(OWN_CALLS, vendor)
    assert inspect.iscoroutinefunction(client.check)
    assert client.api.fget.__annotations__["return"] == f"{vendor.prefix}Api"
    assert [name for name in _face(VendorClient) if name in vars(client)] == []


def _face(client: type) -> list[str]:
    return [name for name in dir(client) if not name.startswith("_")]


@every_vendor
def test_clients_and_their_options_are_documented(vendor: Vendor) -> None:
    """The client's docstring names each parameter and the vendor's page; each public call has one of its own."""
    client = named(vendor, "Client")
    text = inspect.getdoc(client) or ""
    missing = [name for name in inspect.signature(client).parameters if f"\n    {name}: " not in text]
    assert missing == []
    assert "Source: https://" in text
    assert "ConfigurationError: " in text
    assert "async with" in text


@every_vendor
def test_every_public_call_is_documented(vendor: Vendor) -> None:
    """Every public class, method, property and coroutine of every module has a docstring where it is defined."""
    bare = []
    for room in sorted(rooms(vendor)):
        module = load(vendor, room)
        for name in module.__all__:
            thing = getattr(module, name)
            if getattr(thing, "__module__", None) != module.__name__:
                continue
            if isinstance(thing, type):
                members = {key: value for key, value in vars(thing).items() if not key.startswith("_")}
                bare += [f"{room}.{name}.{key}" for key, value in members.items() if _lacks_a_word(value)]
            own = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
            bare += [] if own else [f"{room}.{name}"]
    assert bare == []


def _lacks_a_word(value: object) -> bool:
    inner = getattr(value, "__func__", value)
    return (inspect.isfunction(inner) or isinstance(inner, property)) and not inner.__doc__


@every_vendor
def test_coroutines_of_the_api_say_what_they_raise(vendor: Vendor) -> None:
    """Each typed endpoint is a coroutine of the endpoints' class whose docstring lists errors."""
    api = named(vendor, "Api")
    calls = {name: value for name, value in vars(api).items() if inspect.isfunction(value) and name[0] != "_"}
    assert calls
    assert [name for name, value in calls.items() if not inspect.iscoroutinefunction(value)] == []
    assert [name for name, value in calls.items() if "Raises:" not in (value.__doc__ or "")] == []


@every_kind
async def test_no_repr_shows_a_secret(case: Case) -> None:
    """Not the client's, its endpoints', its manager's, its middleware's, nor the sandbox's; before and after use."""
    async with case.vendor.sandbox(**case.switches) as sandbox:
        credentials = case.credentials(sandbox)
        async with case.vendor.client(credentials, base_url=sandbox.base_url) as client:
            secrets = _secrets(credentials)
            face: Any = client
            for _ in range(2):
                shown = (
                    f"{client!r} {face.api!r} {client.auth!r} {client._manager!r} {sandbox!r} {sandbox.log!r}"
                )
                assert [secret for secret in secrets if secret in shown] == []
                assert type(client).__name__ in shown
                await face.check()
                secrets.append((await client.token()).access_token.reveal())


# --- errors -----------------------------------------------------------------------------------------------------------


@every_vendor
def test_errors_are_the_same_leaves(vendor: Vendor) -> None:
    """The same names, each of the vendor's base and of the same kind; a vendor's own are declared."""
    base, kinds = named(vendor, "Error"), importlib.import_module("nauth.errors")
    assert (base.__bases__, base.__name__) == ((NauthError,), f"{vendor.prefix}Error")
    found = leaves(vendor)
    assert set(found) == set(LEAVES) | exceptions(OWN_LEAVES, vendor)
    for suffix, leaf in found.items():
        assert issubclass(leaf, base)
        assert not issubclass(leaf, OSError)
        kind: type[NauthError] = getattr(kinds, LEAVES[suffix]) if suffix in LEAVES else NauthError
        assert issubclass(leaf, kind)
        own_kinds = [entry for entry in leaf.__mro__ if entry.__module__ == "nauth.errors"]
        assert own_kinds[0] is not NauthError, f"{leaf.__name__} is of no kind"


@every_vendor
def test_every_leaf_keeps_its_data(vendor: Vendor) -> None:
    """Made with nothing or with everything; pickled, copied, raised anew or recast, it says and holds the same."""
    data = {
        "status": 418,
        "code": "c-1",
        "request_id": "r-1",
        "retry_after": timedelta(seconds=7),
        "detail": "said the vendor",
    }
    for leaf in (named(vendor, "Error"), *leaves(vendor).values()):
        assert leaf().args == ("",)
        more = {"problems": ("$.a: expected str, got int",)} if "problems" in _parameters(leaf) else {}
        error = leaf("what happened", **data, **more)
        twins = [
            pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own bytes
            copy.copy(error),
            fresh_copy(error),
            recast(error, leaf),
        ]
        for twin in twins:
            assert (type(twin), str(twin)) == (leaf, "what happened")
            assert {name: getattr(twin, name) for name in (data | more)} == data | more
            assert vars(twin) == vars(error)


def _parameters(leaf: type[NauthError]) -> set[str]:
    return set(inspect.signature(leaf).parameters)


@every_vendor
def test_the_tables_of_errors_are_alike(vendor: Vendor) -> None:
    """Each has the endpoints it tells apart, the transport's kinds as its own leaves, and `refusal`."""
    module, found = load(vendor, "errors"), leaves(vendor)
    assert {"LEAVES", "Endpoint", "refusal"} <= set(module.__all__)
    translated = {kind.__name__: leaf for kind, leaf in module.LEAVES.items()}
    assert translated == {
        "NotSentError": found["NotSentError"],
        "VendorUnavailableError": found["UnavailableError"],
        "OutcomeUnknownError": found["OutcomeUnknownError"],
        "MalformedResponseError": found["MalformedResponseError"],
    }


# --- the sandbox ------------------------------------------------------------------------------------------------------


@every_vendor
async def test_sandboxes_have_the_same_face(vendor: Vendor) -> None:
    """The same constructor, counters, switches for misbehaviour and credentials that its client takes."""
    kind = named(vendor, "Sandbox", "sandbox")
    assert issubclass(kind, Sandbox)
    parameters = list(inspect.signature(kind).parameters.values())
    assert [parameter.name for parameter in parameters] == SANDBOX_OPTIONS
    assert parameters[-1].annotation == "Unpack[SwitchOptions]"
    async with kind() as sandbox:
        assert [name for name in sorted(SANDBOX_FACE) if not hasattr(sandbox, name)] == []
        assert sandbox.base_url.startswith("http://127.0.0.1:")
        assert (sandbox.requests.total(), len(sandbox.faults), sandbox.token_calls) == (0, 0, 0)
        assert (sandbox.reject_all, sandbox.unauthorized, sandbox.live_tokens) == (False, 0, 0)
        async with vendor.client(sandbox.credentials, base_url=sandbox.base_url) as client:
            await client.token()
        assert (sandbox.token_calls, sandbox.live_tokens, len(sandbox.log)) == (1, 1, 1)
        sandbox.kill_sessions()
        assert sandbox.live_tokens == 0


@every_vendor
def test_switches_are_described_alike(vendor: Vendor) -> None:
    """`SWITCHES`, `SwitchOptions` and the parsed record name the same switches; the docstring names each."""
    module = load(vendor, "sandbox.switches")
    names = list(module.SWITCHES)
    assert list(module.SwitchOptions.__annotations__) == names
    assert module.SwitchOptions.__total__ is False
    assert {len(values) == len(set(values)) and len(values) > 1 for values in module.SWITCHES.values()} == {
        True
    }
    text = inspect.getdoc(named(vendor, "Sandbox", "sandbox")) or ""
    assert [name for name in names if name not in text] == []
    defaults = module.parse({name: values[0] for name, values in module.SWITCHES.items()})
    assert defaults == module.parse({})
    assert attrs.fields(type(defaults))
