"""Whose the files of an `SQLiteStore` are: nothing of another user's is trusted."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from nauth.errors import ConfigurationError
from nauth.stores.sqlite import files
from nauth.stores.sqlite.files import exposure, folder_exposure, link_exposure, resolved
from nauth.stores.sqlite.store import SQLiteStore
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, Shelf, held, outside

ROOT, US, THEM = 0, 1000, 1001
PATH = Path("/place/tokens.db")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def found(mode: int, owner: int = US) -> os.stat_result:
    """Return what the system says of a file."""
    return os.stat_result((mode, 1, 1, 1, owner, owner, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "of, folder, problem",
    [
        (found(stat.S_IFREG | 0o600), False, ""),
        (found(stat.S_IFDIR | 0o700), True, ""),
        (found(stat.S_IFREG | 0o600, THEM), False, "belongs to another user of this machine (uid 1001"),
        (found(stat.S_IFREG | 0o600, ROOT), False, "belongs to another user"),
        (found(stat.S_IFDIR | 0o700, THEM), True, "belongs to another user"),
        (found(stat.S_IFREG | 0o640), False, "chmod 600"),
        (found(stat.S_IFDIR | 0o701), True, "chmod 700"),
        (found(stat.S_IFIFO | 0o600), False, "not a regular file"),
        (found(stat.S_IFREG | 0o600), True, "not a folder"),
    ],
)
def test_own_files(of: os.stat_result, folder: bool, problem: str) -> None:
    """What holds tokens belongs to this process's user, and no other user reads it."""
    said = exposure(PATH, of, folder=folder, user=US)
    assert problem in said
    assert bool(problem) == bool(said)


def test_systems_without_owners() -> None:
    """Where the system keeps access lists, owner and mode say nothing, but a file is still a file."""
    assert exposure(PATH, found(stat.S_IFREG | 0o666, THEM), folder=False, user=None) == ""
    assert "not a folder" in exposure(PATH, found(stat.S_IFREG), folder=True, user=None)


@pytest.mark.parametrize(
    "mode, owner, private, problem",
    [
        (0o700, US, False, ""),
        (0o755, US, False, ""),
        (0o755, ROOT, False, ""),
        (0o1777, ROOT, False, ""),
        (0o1777, US, False, ""),
        (0o775, US, True, ""),
        (0o775, US, False, "may write to the folder"),
        (0o777, US, True, "may write to the folder"),
        (0o777, ROOT, False, "chmod go-w"),
        (0o700, THEM, False, "belongs to another user"),
        (0o1777, THEM, False, "belongs to another user"),
    ],
)
def test_folders(mode: int, owner: int, private: bool, problem: str) -> None:
    """Only this process's user, or root, can put a file in the place of the store's."""
    said = folder_exposure(PATH.parent, found(stat.S_IFDIR | mode, owner), user=US, private_group=private)
    assert problem in said
    assert bool(problem) == bool(said)


@pytest.mark.parametrize("owner, trusted", [(US, True), (ROOT, True), (THEM, False)])
def test_links(owner: int, trusted: bool) -> None:
    """A link of another user's is not followed."""
    said = link_exposure(PATH, found(stat.S_IFLNK | 0o777, owner), user=US)
    assert ("symbolic link of another user" in said) != trusted


def test_private_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of the user's own name without other members is the user's own; an id without a name is not."""
    user = pwd.struct_passwd(("ann", "x", US, US, "", "/", "/bin/sh"))
    members: list[str] = []
    monkeypatch.setattr(pwd, "getpwuid", lambda _: user)
    monkeypatch.setattr(grp, "getgrgid", lambda group: grp.struct_group(("ann", "x", group, members)))
    assert files._private_group(US, US)
    assert not files._private_group(THEM, US)
    members.append("ann")
    assert files._private_group(US, US)
    members.append("bob")
    assert not files._private_group(US, US)

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(grp, "getgrgid", unknown)
    assert not files._private_group(US, US)


def test_where_a_path_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are followed one by one, relative ones and those in folders too, and each is judged with its folder."""
    real = tmp_path / "real"
    (real / "deep").mkdir(parents=True)
    (tmp_path / "folder").symlink_to("real/deep")
    (tmp_path / "other").symlink_to(tmp_path / "folder" / ".." / "deep")
    (real / "deep" / "link").symlink_to("../tokens.db")
    path = tmp_path / "other" / "link"
    assert resolved(path) == real / "tokens.db"
    assert [link.relative_to(tmp_path) for link in files._links(path)] == [
        Path("other"),
        Path("folder"),
        Path("real/deep/link"),
    ]
    (real / "deep").chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"may write to the folder.*deep"):
        resolved(path)
    (real / "deep").chmod(0o755)
    real.chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"may write to the folder.*real"):
        resolved(path)
    monkeypatch.setattr(files, "_user", lambda: None)
    assert resolved(path) == real / "tokens.db"


async def test_a_folder_open_to_writing(shelf: Shelf) -> None:
    """A folder that others may write to is refused before anything is made in it; one like /tmp is not."""
    await outside(shelf.path.parent.chmod, 0o777)
    with pytest.raises(ConfigurationError, match="may write to the folder"):
        await shelf.open().load(KEY)
    assert await outside(os.listdir, shelf.path.parent) == []
    await outside(shelf.path.parent.chmod, 0o1777)
    await shelf.put(shelf.open(), made("a"))


@as_root
@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-alive"])
async def test_files_of_another_user(shelf: Shelf, end: str) -> None:
    """What another user has made beforehand, or owns by now, is refused with a word on what to do."""
    store = shelf.open()
    await held(store)
    await outside(os.chown, f"{shelf.path}{end}", THEM, THEM)
    with pytest.raises(ConfigurationError, match=r"belongs to another user.*same user"):
        await shelf.open().lease(KEY, LONG)
    await outside(os.chown, f"{shelf.path}{end}", 0, 0)


@as_root
async def test_a_link_of_another_user(shelf: Shelf, tmp_path: Path) -> None:
    """A link in a folder like /tmp must not lead tokens into another file."""
    victim, link = tmp_path / "victim", tmp_path / "link"
    await outside(tmp_path.chmod, 0o1777)
    await outside(victim.touch, 0o600)
    await outside(link.symlink_to, victim)
    await outside(os.lchown, link, THEM, THEM)
    with pytest.raises(ConfigurationError, match="symbolic link of another user"):
        await SQLiteStore(link).load(KEY)
    assert (await outside(victim.stat)).st_size == 0


@as_root
async def test_a_folder_of_another_user(shelf: Shelf) -> None:
    """The owner of the folder could replace the file."""
    await outside(os.chown, shelf.path.parent, THEM, THEM)
    with pytest.raises(ConfigurationError, match=r"folder of the token store.*belongs to another user"):
        await shelf.open().load(KEY)
