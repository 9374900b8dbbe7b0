"""Files as platforms mount them: one version of a set, forgiving of newlines, exact about what is wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nauth.errors import ConfigurationError, VendorUnavailableError
from nauth.secret import Secret
from nauth.secret_files import FileProblemError, read_text, retried
from nauth.sources import SecretFile, SecretFiles, SourceRefusedError, SourceUnavailableError


def _swap(mount: Path, version: str, **files: str) -> None:
    """Swap the mounted version as kubelet does: a new folder, then a rename over ``..data``."""
    folder = mount / f"..{version}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        link = mount / name
        if not link.is_symlink():
            link.symlink_to(Path("..data") / name)
    (mount / "..new").symlink_to(folder.name)
    (mount / "..new").rename(mount / "..data")


@pytest.mark.parametrize(
    "content",
    [b"s3cret", b"s3cret\n", b" s3cret\r\n", b"\xef\xbb\xbfs3cret\n"],
    ids=["bare", "nl", "crlf", "bom"],
)
def test_white_space_and_a_byte_order_mark_are_dropped(tmp_path: Path, content: bytes) -> None:
    """Editors and `echo` put them there; no secret begins or ends with them."""
    (tmp_path / "f").write_bytes(content)
    assert read_text(tmp_path / "f") == Secret("s3cret")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make, words, passing",
    [
        (lambda _: None, "does not exist", False),
        (lambda path: path.mkdir(), "is a folder", False),
        (_fifo, "not a regular file", False),
        (_loop, "leads to itself", False),
        (lambda path: path.write_bytes(b""), "is empty", True),
        (lambda path: path.write_bytes(b" \n"), "is empty", True),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8", False),
        (lambda path: path.write_bytes(b"x" * 65_537), "larger than 65536", False),
    ],
)
def test_what_is_no_secret(tmp_path: Path, make: Callable[[Path], Any], words: str, passing: bool) -> None:
    """Each in its own words, and never by waiting: a pipe without a writer would block for ever."""
    make(tmp_path / "f")
    with pytest.raises(FileProblemError, match=words) as refused:
        read_text(tmp_path / "f")
    assert refused.value.passing == passing


def test_other_trouble_is_named_by_its_code(tmp_path: Path) -> None:
    """A name that the file system refuses, say."""
    with pytest.raises(FileProblemError, match="ENAMETOOLONG"):
        read_text(tmp_path / ("x" * 300))


def test_a_file_being_written_is_read_again() -> None:
    """Three times, with pauses; then the last reason is raised."""
    outcomes: list[str | None] = [None, None, "text"]
    pauses: list[float] = []

    def read() -> str:
        found = outcomes.pop(0)
        if found is None:
            raise FileProblemError("is empty", passing=True)
        return found

    assert retried(read, sleep=pauses.append) == "text"
    assert pauses == [0.05, 0.05]
    outcomes[:] = [None, None, None, "never"]
    with pytest.raises(FileProblemError):
        retried(read, sleep=pauses.append)
    assert outcomes == ["never"]


def test_a_json_file(tmp_path: Path) -> None:
    """Its members are the fields; what is no text is named by its type."""
    path = tmp_path / "nomba.json"
    path.write_text(
        '{"client_id": "i", "client_secret": "CANARY", "n": 7, "b": true, "l": [], "o": {}, "z": null}'
    )
    source = SecretFile(path)
    fields = asyncio.run(source.read())
    assert fields.values == {"client_id": Secret("i"), "client_secret": Secret("CANARY")}
    assert fields.unread == {"n": "number", "b": "true or false", "l": "list", "o": "object", "z": "null"}
    assert source.name == f"file:{path}"
    assert "subPath" in source.unchanged_hint
    assert "CANARY" not in f"{fields!r} {source!r}"
    assert source.read_now() == fields


@pytest.mark.parametrize(
    "content, kind, words",
    [
        (None, SourceRefusedError, "does not exist"),
        ("", SourceUnavailableError, "is empty"),
        ('{"client_id": "CANARY', SourceUnavailableError, "beginning"),
        ("[" * 100_00, SourceUnavailableError, "beginning"),
        ('["CANARY"]', SourceRefusedError, "JSON list, not an object"),
        ('"CANARY"', SourceRefusedError, "JSON text, not an object"),
    ],
)
def test_a_json_file_that_is_none(
    tmp_path: Path, content: str | None, kind: type[SourceRefusedError | SourceUnavailableError], words: str
) -> None:
    """Refused and unavailable are told apart: an empty or cut file may be whole in a moment."""
    path = tmp_path / "f"
    if content is not None:
        path.write_text(content)
    with pytest.raises(kind, match=words) as refused:
        asyncio.run(SecretFile(path).read())
    assert refused.value.source == f"file:{path}"
    assert refused.value.problems
    assert "CANARY" not in f"{refused.value}"
    assert refused.value.__context__ is None
    assert isinstance(refused.value, ConfigurationError | VendorUnavailableError)


@pytest.mark.parametrize("kind", [SecretFile, SecretFiles])
def test_a_mounted_folder(tmp_path: Path, kind: type[SecretFile | SecretFiles]) -> None:
    """One file for each field, all of the version that ``..data`` points to; a swap is seen at the next read."""
    _swap(tmp_path, "1", client_id="i-1", client_secret="s-1\n")
    source = kind(tmp_path)
    assert asyncio.run(source.read()).values == {"client_id": Secret("i-1"), "client_secret": Secret("s-1")}
    _swap(tmp_path, "2", client_id="i-2", client_secret="s-2\n")
    assert asyncio.run(source.read()).values == {"client_id": Secret("i-2"), "client_secret": Secret("s-2")}
    assert source.name == f"file:{tmp_path}"
    assert str(tmp_path) in repr(source)


def test_a_plain_folder_with_other_names(tmp_path: Path) -> None:
    """As Docker mounts them: names lead to the fields, hidden files are none."""
    (tmp_path / "id.txt").write_text("i")
    (tmp_path / "secret.txt").write_text("s")
    (tmp_path / ".hidden").write_text("h")
    source = SecretFiles(tmp_path, names={"client_id": "id.txt", "client_secret": "gone.txt"})
    assert asyncio.run(source.read()).values == {"client_id": Secret("i")}
    assert "subPath" in source.unchanged_hint
    assert set((asyncio.run(SecretFiles(tmp_path).read())).values) == {"id.txt", "secret.txt"}


def test_a_folder_with_a_fault(tmp_path: Path) -> None:
    """A missing folder is refused; an empty file in it may be filled in a moment, and is named."""
    with pytest.raises(SourceRefusedError, match="does not exist"):
        asyncio.run(SecretFiles(tmp_path / "gone").read())
    (tmp_path / "client_id").write_text("")
    with pytest.raises(SourceUnavailableError, match="'client_id' that is empty"):
        SecretFiles(tmp_path).read_now()


def test_no_torn_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is swapped in between two files of a set does not tear it: both are of one version."""
    _swap(tmp_path, "1", client_id="v-1", client_secret="v-1")
    real = os.open

    def between(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith("client_secret") and not (tmp_path / "..2").exists():
            _swap(tmp_path, "2", client_id="v-2", client_secret="v-2")
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", between)
    values = SecretFiles(tmp_path).read_now().values
    assert values == {"client_id": Secret("v-1"), "client_secret": Secret("v-1")}
    assert SecretFiles(tmp_path).read_now().values["client_id"] == Secret("v-2")
