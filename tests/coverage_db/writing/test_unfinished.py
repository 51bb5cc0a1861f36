"""What a killed run left is removed by the next, and what a living one needs is not."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.unfinished import exchange, remove_abandoned, unfinished

HELD = """
import os, signal, sys
from pathlib import Path
from nnapi_check.coverage_db.writing.unfinished import unfinished
with unfinished(Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "half").write_text("half")
    (folder / "link").symlink_to(sys.argv[2])
    print(folder, flush=True)
    signal.pause()
"""


def started(parent: Path, other: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HELD, str(parent), str(other)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_folder_is_hidden_and_gone_afterwards(tmp_path: Path) -> None:
    with unfinished(tmp_path) as folder:
        (folder / "half").write_text("half")
        assert folder.parent == tmp_path
        assert folder.name.startswith(".nnapi-check-")

    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_run_is_kept_while_it_lives_and_removed_after_it_was_killed(tmp_path: Path) -> None:
    parent, other = tmp_path / "parent", tmp_path / "other"
    parent.mkdir()
    other.mkdir()
    (other / "mine").write_text("mine")
    process, folder = started(parent, other)

    remove_abandoned(parent)
    is_kept = (folder / "deep" / "half").is_file()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    is_left = folder.exists()
    with unfinished(parent):
        pass

    assert is_kept
    assert is_left
    assert list(parent.iterdir()) == []
    assert (other / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", [".nnapi-check-mine", ".mine.unfinished", "mine.unfinished"])
def test_folder_with_another_name_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()

    remove_abandoned(tmp_path)

    assert (tmp_path / name).is_dir()


def test_link_with_such_a_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / ".nnapi-check-0.unfinished").symlink_to(tmp_path / "mine")

    remove_abandoned(tmp_path)

    assert (tmp_path / "mine" / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / ".nnapi-check-0.unfinished"
    folder.mkdir()
    os.chown(folder, 12345, 12345)

    remove_abandoned(tmp_path)

    assert folder.is_dir()


def test_runs_at_the_same_time_do_not_take_each_others_folders(tmp_path: Path) -> None:
    def write(number: int) -> bool:
        with unfinished(tmp_path) as folder:
            (folder / "half").write_text(str(number))
            return (folder / "half").read_text() == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write, range(400)))

    assert list(tmp_path.iterdir()) == []


def test_folders_change_places_where_the_system_can(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()

    is_done = exchange(tmp_path / "one", tmp_path / "other")

    assert [path.name for path in (tmp_path / "one").iterdir()] == (["other"] if is_done else ["one"])
    assert not exchange(tmp_path / "one", tmp_path / "nowhere")
