"""Which source a client uses: what it was given, or what the environment names."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.sources.aws import AwsSecret
from nauth.sources.azure import AzureSecret
from nauth.sources.base import Source
from nauth.sources.environment import Environment
from nauth.sources.files import SecretFile
from nauth.sources.function import Function
from nauth.sources.keyring import KeyringSecret
from nauth.sources.vault import VaultSecret

__all__ = ["AnySource", "as_source", "from_environment", "parse_source"]

_C = TypeVar("_C")

AnySource: TypeAlias = Source | Function[_C] | Callable[[], Awaitable[_C]]
"""What a client takes in the place of a credential."""


def as_source(given: object) -> Source | Function[Any] | None:
    """Return `given` as a source, if it is one or an async function."""
    if isinstance(given, Function | Source):
        return given  # pyright: ignore[reportUnknownVariableType]  # what a function returns is checked when it does
    if callable(given) and not isinstance(given, type):
        return Function(cast("Callable[[], Awaitable[Any]]", given), name=_label(given))
    return None


def from_environment(
    prefix: str,
    *,
    names: Sequence[str],
    fixed: Sequence[str],
    reader: EnvironmentReader,
    environ: Mapping[str, str] | None,
) -> Source | None:
    """Return the source that the environment names, leaving contradictions for `reader` to report.

    Args:
        prefix: of the vendor's variables; ``PREFIX + CREDENTIALS`` names a source.
        names: the variables that hold the credential itself.
        fixed: further such variables, which are read once.
        reader: of the environment.
        environ: the variables; the process environment if None.

    Returns:
        None if no source is named and no credential is given by file: then the variables are all there is.
    """
    setting = f"{prefix}CREDENTIALS"
    text = reader.optional(setting)
    given = [name for name in (*names, *fixed) if reader.is_set(name)]
    if text is None:
        return Environment(prefix, environ) if any(map(reader.by_file, names)) else None
    if given:
        reader.fault(f"{setting} names a source, and {', '.join(given)} are set too: use one way to sign in")
        return None
    try:
        return parse_source(text, setting=setting)
    except ConfigurationError as error:
        reader.fault(str(error))
        return None


def parse_source(text: str, *, setting: str = "the source") -> Source:
    """Return the source that a text such as ``aws:prod/nomba`` names.

    ============================================  ==================================================================
    ``file:/run/secrets/nomba.json``              a JSON object, or a folder with one file for each field
    ``aws:prod/nomba``                            a name or ARN; ``?region=eu-west-1`` may follow
    ``azure:VAULT/SECRET``                        a JSON object; VAULT is a name or an https address
    ``azure:VAULT/client_id=ID,client_secret=S``  one secret for each field
    ``vault:MOUNT/PATH``                          KV version 2, or ``?kv=1``; `VAULT_ADDR`, `VAULT_TOKEN`
    ``keyring:SERVICE``                           the item ``credentials``, a JSON object
    ============================================  ==================================================================

    Equal texts give one object, so that all clients of a process ask together.

    Raises:
        ConfigurationError: the text names no source. It is not shown: it may be a secret.
    """
    kind, _, rest = text.strip().partition(":")
    if not rest or kind not in _KINDS:
        raise ConfigurationError(
            f"{setting} must begin with {', '.join(f'{name}:' for name in sorted(_KINDS))} and name a source, such as "
            "aws:prod/nomba"
        )
    return _made(kind, rest, setting)


@functools.lru_cache(maxsize=64)
def _made(kind: str, rest: str, setting: str) -> Source:
    return _KINDS[kind](rest, setting)


def _aws(rest: str, setting: str) -> Source:
    name, options = _options(rest, {"region"}, setting)
    return AwsSecret(name, region=options.get("region"))


def _azure(rest: str, setting: str) -> Source:
    vault, _, names = rest.rpartition("/")
    if not vault or not names:
        raise ConfigurationError(f"{setting}: write azure:VAULT/SECRET")
    url = vault if "://" in vault else f"https://{vault}.vault.azure.net"
    if "=" not in names:
        return AzureSecret(url, names)
    pairs = [pair.partition("=") for pair in names.split(",")]
    return AzureSecret(url, {field.strip(): name.strip() for field, _, name in pairs})


def _vault(rest: str, setting: str) -> Source:
    whole, options = _options(rest, {"kv"}, setting)
    mount, _, path = whole.strip("/").partition("/")
    if not path or options.get("kv", "2") not in {"1", "2"}:
        raise ConfigurationError(f"{setting}: write vault:MOUNT/PATH, and ?kv=1 behind it for KV version 1")
    return VaultSecret(path, mount=mount, kv=1 if options.get("kv") == "1" else 2)


_KINDS: Mapping[str, Callable[[str, str], Source]] = {
    "file": lambda rest, _: SecretFile(rest),
    "aws": _aws,
    "azure": _azure,
    "vault": _vault,
    "keyring": lambda rest, _: KeyringSecret(rest),
}


def _options(rest: str, known: set[str], setting: str) -> tuple[str, dict[str, str]]:
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not name or not known.issuperset(options):
        raise ConfigurationError(f"{setting}: only {', '.join(sorted(known))} may follow the question mark")
    return name, options


_labels: WeakKeyDictionary[Any, dict[object, str]] = WeakKeyDictionary()


def _label(fetch: Callable[[], Any]) -> str:
    """Return a name for `fetch`, equal for as long as the function (or the object whose method it is) lives."""
    owner = getattr(fetch, "__self__", fetch)
    method = getattr(fetch, "__func__", None)
    name = f"{getattr(fetch, '__qualname__', type(fetch).__name__)}#{secrets.token_hex(8)}"
    try:
        return _labels.setdefault(owner, {}).setdefault(method, name)
    except TypeError:  # cannot be held weakly, or has no hash: each client is on its own then
        return name
