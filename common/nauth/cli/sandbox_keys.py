"""`nauth sandbox --key NAME`: further credentials of a sandbox, by variables that end in the name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["variables_of_keys"]


def variables_of_keys(names: Sequence[str], make: Callable[[str], Mapping[str, str]]) -> dict[str, str]:
    """Return the variables of a credential for each name, such as ``NOMBA_CLIENT_ID_SHOP2`` for ``SHOP2``.

    Args:
        names: in upper case.
        make: makes the credential of a name, and returns the variables that a client reads, without the name.
    """
    return {f"{variable}_{name}": value for name in names for variable, value in make(name).items()}
