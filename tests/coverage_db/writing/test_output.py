"""Files are replaced whole or not at all, links are followed, and nothing else is replaced."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.output import (
    Format,
    OutputError,
    check_output,
    place_of,
    replaced,
    write_text,
    write_whole,
    writing,
)
from tests.file_sizes import file_sizes_up_to


def test_rights_of_the_old_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)

    write_whole(path, b"new")

    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_of_the_old_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.chown(path, 12345, 54321)

    write_whole(path, b"new")

    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_rights_of_a_new_file_are_those_that_the_user_gives_to_any(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "file", b"new")
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


def test_nothing_is_at_the_place_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with replaced(path) as draft:
        draft.write_bytes(b"half")
        during = path.read_bytes()
        draft.write_bytes(b"whole")

    assert during == b"old"
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_is_raised_before_the_end_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with replaced(path) as draft:
            draft.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with file_sizes_up_to(1000), pytest.raises(OutputError, match="file cannot be written: File too large"):
        write_text(path, "x" * 5000)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_became_a_folder_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write() -> None:
        with replaced(path) as draft:
            draft.write_bytes(b"new")
            path.mkdir()

    with pytest.raises(OutputError, match="is no file any more"):
        write()

    assert list(tmp_path.iterdir()) == [path]


def test_other_names_of_the_same_file_keep_what_they_had(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"old")
    other.hardlink_to(path)

    write_whole(path, b"new")

    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"old")


def test_input_is_refused_by_all_of_its_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"source")
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "soft").symlink_to(source)
    (tmp_path / "folder").mkdir()
    names = (source, tmp_path / "hard", tmp_path / "soft", tmp_path / "folder" / ".." / "source")

    for name in names:
        for form in Format:
            with pytest.raises(OutputError, match="is read by this command"):
                check_output(name, form, [source])
        with pytest.raises(OutputError, match="is read by this command"):
            write_whole(name, b"new", [source])
        with pytest.raises(OutputError, match="is read by this command"):
            write_text(name, "new", [source])

    assert source.read_bytes() == b"source"


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new")

    for one, other in (("new", "new"), ("link", "new"), ("new", "link")):
        with pytest.raises(OutputError, match="is named for two outputs"):
            check_output(tmp_path / one, Format.STREAM, [], [tmp_path / other])
    check_output(tmp_path / "new", Format.STREAM, [], [tmp_path / "other"])


def test_what_the_commands_output_goes_to_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "both"
    code = (
        "import sys; from pathlib import Path; from nnapi_check.coverage_db.writing.output import *\n"
        "path = Path(sys.argv[1])\n"
        "print('before'); write_text(path, 'page\\n'); print('after')\n"
        "try: write_whole(path, b'')\n"
        "except OutputError as error: print(error)\n"
    )
    with path.open("w") as stream:
        subprocess.run([sys.executable, "-c", code, str(path)], stdout=stream, check=True)

    refusal = f"{path} is what this command's own output goes to, where this cannot be written; name a file to write to"
    assert path.read_text().splitlines() == ["before", "page", "after", refusal]


def test_name_that_is_no_text_is_written_as_far_as_it_can_be(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "of \udcff.pt")

    assert (tmp_path / "file").read_text() == "of ?.pt"


def test_place_of_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new")
    (tmp_path / "loop").symlink_to("loop")

    assert place_of(tmp_path / "link") == Path(os.path.realpath(tmp_path)) / "new"
    with pytest.raises(OutputError, match="loop cannot be written: Too many levels of symbolic links"):
        place_of(tmp_path / "loop")


@pytest.mark.parametrize(("step", "expected"), [("write_bytes", b"old"), ("replace", b"old"), ("rmdir", b"new")])
def test_process_killed_at_any_step_leaves_the_old_file_or_the_new_and_nothing_that_stays(
    step: str, expected: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nnapi_check.coverage_db.writing.output import write_whole\n"
        f"Path.{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(Path(sys.argv[1]), b'new')\n"
    )

    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    found = path.read_bytes()
    is_littered = len(list(tmp_path.iterdir())) > 1
    write_whole(path, b"newest")

    assert killed.returncode == -signal.SIGKILL
    assert found == expected
    assert is_littered
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_work_itself_raises_is_not_told_of_the_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of the work"), writing(tmp_path / "model.pt"):
        raise ValueError("of the work")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_what_no_file_can_be_called_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no name of a file"), writing(tmp_path / name):
        pass
