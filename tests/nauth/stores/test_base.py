"""Keys and digests of the stores."""

from __future__ import annotations

from nauth.credential_digest import identity_digest, process_digest, slow_digest
from nauth.secret import Secret
from nauth.stores.base import StoreKey


def test_equal_credentials_have_equal_digests() -> None:
    """The digest depends on every part and on where one part ends and the next begins."""
    one = identity_digest("id", Secret("secret"), None)
    assert one == identity_digest("id", Secret("secret"), None)
    assert (
        len(
            {one, identity_digest("id", Secret("other"), None), identity_digest("ids", Secret("ecret"), None)}
        )
        == 3
    )


def test_digests_hide_the_secret() -> None:
    """Neither digest, nor a key made of one, contains what went in."""
    for digest in (
        identity_digest(Secret("canary")),
        slow_digest(Secret("canary"), "me"),
        process_digest(Secret("canary")),
    ):
        assert "canary" not in str(StoreKey(vendor="v", base_url="u", identity=digest))


def test_a_password_is_digested_with_its_owner() -> None:
    """Two people with one password have different digests."""
    assert slow_digest(Secret("p"), "ada") != slow_digest(Secret("p"), "bob")
    assert slow_digest(Secret("p"), "ada") == slow_digest(Secret("p"), "ada")
