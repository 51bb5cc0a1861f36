import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nnapi_check.analyzer.files.archive import Archive, ArchiveCopy, Joined
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.zip_directory import check_members, read_directory


def made(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


MEMBERS = [("m/data.pkl", b"abc"), ("m/code/a.py", b"class"), ("m/empty", b"")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_as_python_reads_them(method: int, tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", MEMBERS, method)

    with Archive(path) as archive:
        assert [(name, archive.read(member)) for name, member in archive.members.items()] == MEMBERS


def second(data: bytes) -> int:
    return data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)


def replaced(at: Callable[[bytes], int], bytes_: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[: at(data)] + bytes_ + data[at(data) + len(bytes_) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "bytes after its end": lambda data: data + b"x",
    "bytes before its start": lambda data: b"x" * 64 + data,
    "a comment with another end": lambda data: data[:-2] + struct.pack("<H", 22) + data[-22:],
    "a local header of another name": lambda data: data.replace(b"m/data.pkl", b"m/DATA.pkl", 1),
    "two members in one place": replaced(lambda data: second(data) + 42, b"\0\0\0\0"),
    "more members than there are": replaced(lambda data: len(data) - 12, b"\x04\0\x04\0"),
    "a stored member of another size": replaced(lambda data: data.index(b"PK\1\2") + 24, b"\xff"),
    "an encrypted member": replaced(lambda data: data.index(b"PK\1\2") + 8, b"\1"),
    "another compression": replaced(lambda data: data.index(b"PK\1\2") + 10, b"\x63"),
    "a member outside": replaced(lambda data: data.index(b"PK\1\2") + 42, b"\xff\xff\xff\x7f"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_an_archive_that_readers_could_read_in_two_ways_is_damaged(kind: str, tmp_path: Path) -> None:
    data = made(tmp_path / "a.zip", MEMBERS).read_bytes()
    damaged = DAMAGES[kind](data)
    assert damaged != data

    with pytest.raises(zipfile.BadZipFile):
        read_directory(damaged)


@pytest.mark.parametrize("names", [("m/data.pkl", "m/DATA.pkl"), ("m/../x", "m/a"), ("/m/a", "m/b"), ("m\\a", "m/b")])
def test_names_that_are_taken_for_others_are_suspect(names: tuple[str, str], tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", [(name, b"x") for name in names])

    with Archive(path) as archive, pytest.raises(SuspectError):
        check_members(archive.members.values(), archive.size)


def test_an_archive_that_grows_beyond_measure_is_suspect(tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", [("m/zeros", bytes(80 << 20))], zipfile.ZIP_DEFLATED)

    with Archive(path) as archive, pytest.raises(SuspectError, match="grow from"):
        check_members(archive.members.values(), archive.size)


def test_a_member_that_grows_beyond_the_size_it_states_is_damaged(tmp_path: Path) -> None:
    data = made(tmp_path / "a.zip", [("m/zeros", bytes(5000))], zipfile.ZIP_DEFLATED).read_bytes()
    at = data.index(b"PK\1\2") + 24

    with (
        Archive(data[:at] + struct.pack("<L", 10) + data[at + 4 :]) as archive,
        pytest.raises(zipfile.BadZipFile, match="zeros"),
    ):
        archive.read(archive.members["m/zeros"])


def test_a_copy_of_parts_reads_like_one_file(tmp_path: Path) -> None:
    copy = ArchiveCopy()
    for name, data in MEMBERS:
        copy.add_text(name, data)
    parts = copy.finish()

    with zipfile.ZipFile(Joined(parts)) as archive:
        assert [(name, archive.read(name)) for name in archive.namelist()] == MEMBERS
    joined = Joined(parts)
    assert joined.read() == b"".join(parts)
    joined.seek(-3, 2)
    assert joined.read(9) == b"".join(parts)[-3:]
