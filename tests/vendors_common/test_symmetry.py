"""The four packages keep one shape; what one vendor alone has is declared in `tests.support.vendors.shape`, with its reason."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pickle
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import ModuleType

import attrs

from nauth.client import VendorClient
from nauth.errors import NauthError, fresh_copy, recast
from nauth.testing import Sandbox
from tests.support.vendors.packages import (
    ROOT,
    every_vendor,
    exceptions,
    face,
    leaves,
    load,
    named,
    package,
    rooms,
)
from tests.support.vendors.shape import (
    CORE_NAMES,
    CORE_RECORDS,
    LEAVES,
    OPTIONS,
    OTHER_TYPES,
    OWN_CALLS,
    OWN_LEAVES,
    OWN_OPTIONS,
    OWN_ROOMS,
    OWN_SANDBOX_OPTIONS,
    ROOMS,
    SANDBOX_FACE,
    SANDBOX_OPTIONS,
    SETTINGS,
)
from tests.support.vendors.table import VENDORS, Vendor

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
        (OWN_CALLS, set(face(VendorClient))),
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
    assert CORE_NAMES <= core <= CORE_NAMES | CORE_RECORDS
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
    # type aliases and constants have no home of their own, so the modules that import them are asked
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


# --- what is public is documented -------------------------------------------------------------------------------------


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
    own = exceptions(OWN_SANDBOX_OPTIONS, vendor)
    assert [parameter.name for parameter in parameters if parameter.name not in own] == SANDBOX_OPTIONS
    assert own <= {parameter.name for parameter in parameters}
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
