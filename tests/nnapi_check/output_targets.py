"""What an output can be pointed at, on nodes of the test's own."""

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnapi_check.reports.site.folder import SiteFile, write_site
from tests.file_sizes import file_sizes_up_to


@dataclass(frozen=True, slots=True)
class Target:
    """What an output is pointed at: the path, where the result is to be found, and words of a refusal, if any.

    ``is_stream`` means that what is written arrives elsewhere, and that files are refused; ``rights`` are those to
    write with.
    """

    path: Path
    place: Path
    refusal: str = ""
    is_stream: bool = False
    received: Callable[[], bytes] = bytes
    rights: Callable[[], AbstractContextManager[None]] = nullcontext


@contextmanager
def new_name(folder: Path) -> Iterator[Target]:
    yield Target(folder / "out", folder / "out")


@contextmanager
def file(folder: Path) -> Iterator[Target]:
    (folder / "out").write_bytes(b"old")
    yield Target(folder / "out", folder / "out")


@contextmanager
def link_to_a_file(folder: Path) -> Iterator[Target]:
    (folder / "deep").mkdir()
    (folder / "deep" / "real").write_bytes(b"old")
    (folder / "middle").symlink_to("deep/real")
    (folder / "out").symlink_to(folder / "middle")
    yield Target(folder / "out", folder / "deep" / "real")


@contextmanager
def dangling_link(folder: Path) -> Iterator[Target]:
    (folder / "out").symlink_to("real")
    yield Target(folder / "out", folder / "real")


@contextmanager
def link_into_a_folder_that_is_missing(folder: Path) -> Iterator[Target]:
    (folder / "out").symlink_to("nowhere/real")
    yield Target(folder / "out", folder / "nowhere" / "real", "nowhere does not exist")


@contextmanager
def loop_of_links(folder: Path) -> Iterator[Target]:
    (folder / "out").symlink_to("other")
    (folder / "other").symlink_to("out")
    yield Target(folder / "out", folder / "none", "Too many levels of symbolic links")


@contextmanager
def folder_itself(folder: Path) -> Iterator[Target]:
    (folder / "out").mkdir()
    (folder / "out" / "mine").write_text("mine")
    yield Target(folder / "out", folder / "none", "is a folder")


@contextmanager
def missing_folder(folder: Path) -> Iterator[Target]:
    yield Target(folder / "nowhere" / "out", folder / "none", "nowhere does not exist")


@contextmanager
def file_as_a_folder(folder: Path) -> Iterator[Target]:
    (folder / "file").write_bytes(b"old")
    yield Target(folder / "file" / "out", folder / "none", "file is no folder")


@contextmanager
def long_name(folder: Path) -> Iterator[Target]:
    yield Target(folder / ("x" * 300), folder / "none", "File name too long")


@contextmanager
def longest_name(folder: Path) -> Iterator[Target]:
    yield Target(folder / ("x" * 255), folder / ("x" * 255))


@contextmanager
def null_in_the_name(folder: Path) -> Iterator[Target]:
    yield Target(folder / "a\0b", folder / "none", "is no name of a file")


@contextmanager
def pipe(folder: Path) -> Iterator[Target]:
    os.mkfifo(folder / "out")
    # Open for both, so that nobody waits for the other side.
    reader = os.open(folder / "out", os.O_RDWR | os.O_NONBLOCK)
    found: list[bytes] = []
    one_at_a_time = threading.Lock()

    def received() -> bytes:
        with one_at_a_time:
            while chunk := _available(reader):
                found.append(chunk)
            return b"".join(found)

    try:
        with draining(received):
            yield Target(folder / "out", folder / "out", is_stream=True, received=received)
    finally:
        os.close(reader)


def _available(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""


@contextmanager
def draining(read: Callable[[], bytes]) -> Iterator[None]:
    """Read all the time, as a pipe holds only so much."""
    is_done = threading.Event()

    def drain() -> None:
        while not is_done.wait(0.001):
            read()

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


@contextmanager
def link_to_a_pipe(folder: Path) -> Iterator[Target]:
    (folder / "deep").mkdir()
    (folder / "out").symlink_to("deep/out")
    with pipe(folder / "deep") as target:
        yield Target(folder / "out", target.place, is_stream=True, received=target.received)


@contextmanager
def local_socket(folder: Path) -> Iterator[Target]:
    found: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(os.path.relpath(folder / "out"))  # A whole path may be longer than a socket's may be.
        server.listen(1)
        server.settimeout(20)

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                while chunk := connection.recv(1 << 16):
                    found.append(chunk)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()

        def received() -> bytes:
            thread.join(20)
            return b"".join(found)

        yield Target(Path(os.path.relpath(folder / "out")), folder / "out", is_stream=True, received=received)
        if thread.is_alive():  # Where the output was refused, nobody has called.
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.connect(os.path.relpath(folder / "out"))
        thread.join(20)


def node(folder: Path, kind: int, device: int) -> None:
    try:
        os.mknod(folder / "out", 0o600 | kind, device)
    except PermissionError:
        pytest.skip("only root can make device nodes")


@contextmanager
def device_that_swallows(folder: Path) -> Iterator[Target]:
    node(folder, stat.S_IFCHR, os.makedev(1, 3))
    try:
        os.close(os.open(folder / "out", os.O_WRONLY))
    except PermissionError:
        pytest.skip("device nodes cannot be opened on this file system")
    yield Target(folder / "out", folder / "out", is_stream=True, received=lambda: b"swallowed")


@contextmanager
def device_that_is_full(folder: Path) -> Iterator[Target]:
    node(folder, stat.S_IFCHR, os.makedev(1, 7))
    try:
        os.close(os.open(folder / "out", os.O_WRONLY))
    except PermissionError:
        pytest.skip("device nodes cannot be opened on this file system")
    yield Target(folder / "out", folder / "out", "No space left on device|is a device", is_stream=True)


@contextmanager
def disk(folder: Path) -> Iterator[Target]:
    node(folder, stat.S_IFBLK, os.makedev(7, 250))  # It is never opened.
    yield Target(folder / "out", folder / "out", "is a disk, which would be overwritten")


@contextmanager
def full_disk(folder: Path) -> Iterator[Target]:
    (folder / "out").write_bytes(b"old")
    with file_sizes_up_to(20):
        yield Target(folder / "out", folder / "out", "File too large")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_all_rights() -> Iterator[None]:
    """No right to write everywhere, also where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def protected_folder(_folder: Path) -> Iterator[Target]:
    with open_folder() as folder:
        folder.chmod(0o555)
        yield Target(folder / "out", folder / "none", "is not writable", rights=without_all_rights)
        assert nodes(folder) == {}
        folder.chmod(0o755)


@contextmanager
def protected_file(_folder: Path) -> Iterator[Target]:
    with open_folder() as folder:
        (folder / "out").write_bytes(b"old")
        (folder / "out").chmod(0o444)
        folder.chmod(0o777)
        yield Target(folder / "out", folder / "none", "is write-protected", rights=without_all_rights)
        assert nodes(folder) == {"out": b"old"}


TARGETS = (
    new_name,
    file,
    link_to_a_file,
    dangling_link,
    link_into_a_folder_that_is_missing,
    loop_of_links,
    folder_itself,
    missing_folder,
    file_as_a_folder,
    long_name,
    longest_name,
    null_in_the_name,
    pipe,
    link_to_a_pipe,
    local_socket,
    device_that_swallows,
    device_that_is_full,
    disk,
    full_disk,
    protected_folder,
    protected_file,
)


@contextmanager
def site_of_ours(folder: Path) -> Iterator[Target]:
    write_site([SiteFile("old.html", "old")], folder / "out")
    yield Target(folder / "out", folder / "out")


@contextmanager
def link_to_a_site_of_ours(folder: Path) -> Iterator[Target]:
    write_site([SiteFile("old.html", "old")], folder / "real")
    (folder / "out").symlink_to("real")
    yield Target(folder / "out", folder / "real")


@contextmanager
def folder_of_others(folder: Path) -> Iterator[Target]:
    (folder / "out").mkdir()
    (folder / "out" / "mine").write_text("mine")
    yield Target(folder / "out", folder / "out", "holds mine, which is no file of a site that nnapi-check wrote")


@contextmanager
def file_in_place_of_the_folder(folder: Path) -> Iterator[Target]:
    (folder / "out").write_bytes(b"old")
    yield Target(folder / "out", folder / "out", "is no folder")


@contextmanager
def pipe_in_place_of_the_folder(folder: Path) -> Iterator[Target]:
    os.mkfifo(folder / "out")
    yield Target(folder / "out", folder / "out", "is no folder")


SITE_TARGETS = (
    new_name,
    dangling_link,
    loop_of_links,
    missing_folder,
    file_as_a_folder,
    long_name,
    null_in_the_name,
    full_disk,
    protected_folder,
    site_of_ours,
    link_to_a_site_of_ours,
    folder_of_others,
    file_in_place_of_the_folder,
    pipe_in_place_of_the_folder,
)


def nodes(folder: Path) -> dict[str, object]:
    """Everything in a folder by its path: its kind, and what a file or link holds."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*"))}


def _content(path: Path) -> object:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    return path.read_bytes() if stat.S_ISREG(mode) else stat.S_IFMT(mode)
