"""A site is written whole or not at all, and never in place of anything else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.coverage_db.writing.output_folder import FolderError, check_folder
from nnapi_check.reports.site.folder import SITE, SiteFile, write_site

FIRST = (SiteFile("index.html", "one"), SiteFile("ops/a.html", "ä"))


def listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_written(tmp_path: Path) -> None:
    found = write_site(FIRST, tmp_path / "site")

    assert listed(tmp_path / "site") == {"index.html", "ops/a.html", SITE.marker}
    assert found.files == 3
    assert found.total_bytes == sum(path.stat().st_size for path in (tmp_path / "site").rglob("*") if path.is_file())
    assert list(tmp_path.iterdir()) == [tmp_path / "site"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()

    write_site(FIRST, tmp_path / "site")

    assert "index.html" in listed(tmp_path / "site")


def test_a_site_is_replaced_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    write_site(FIRST, tmp_path / "site")

    write_site([SiteFile("index.html", "two")], tmp_path / "site")

    assert listed(tmp_path / "site") == {"index.html", SITE.marker}
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "two"


def test_a_folder_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")

    with pytest.raises(FolderError, match=r"holds index\.html"):
        write_site(FIRST, tmp_path)

    assert listed(tmp_path) == {"index.html"}
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["CNAME", ".git/HEAD", "ops/notes.txt"])
def test_a_site_that_holds_what_we_did_not_write_is_refused(name: str, tmp_path: Path) -> None:
    write_site(FIRST, tmp_path / "site")
    stranger = tmp_path / "site" / name
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("mine", encoding="utf-8")

    with pytest.raises(FolderError, match=name):
        write_site(FIRST, tmp_path / "site")

    assert stranger.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_holds_only_empty_folders_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "site" / "mine").mkdir(parents=True)

    with pytest.raises(FolderError, match="mine"):
        check_folder(tmp_path / "site", SITE)


def test_a_marker_that_is_damaged_makes_no_site_of_ours(tmp_path: Path) -> None:
    write_site(FIRST, tmp_path / "site")
    (tmp_path / "site" / SITE.marker).write_text("{", encoding="utf-8")

    with pytest.raises(FolderError):
        write_site(FIRST, tmp_path / "site")


def test_a_failure_on_the_way_leaves_the_old_site(tmp_path: Path) -> None:
    def broken() -> Iterator[SiteFile]:
        yield SiteFile("index.html", "new")
        raise OSError(28, "No space left on device")

    write_site(FIRST, tmp_path / "site")

    with pytest.raises(OutputError, match="No space left"):
        write_site(broken(), tmp_path / "site")

    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "one"
    assert list(tmp_path.iterdir()) == [tmp_path / "site"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("", encoding="utf-8")

    with pytest.raises(FolderError, match="is no folder"):
        check_folder(tmp_path / "site", SITE)


def test_a_parent_that_does_not_exist_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check_folder(tmp_path / "nowhere" / "site", SITE)


def test_a_link_to_a_folder_keeps_leading_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    write_site(FIRST, tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert "index.html" in listed(tmp_path / "real")


def test_others_may_read_it_as_far_as_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_site(FIRST, tmp_path / "site")
    finally:
        os.umask(before)

    assert (tmp_path / "site").stat().st_mode & 0o777 == 0o755
