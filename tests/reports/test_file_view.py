"""The size and the hash of a model's file."""

import os
from hashlib import sha256
from pathlib import Path

from nnapi_check.reports.file_view import file_view
from nnapi_check.reports.views import FileView


def test_file_is_told_by_its_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")

    assert file_view(tmp_path / "model.pt") == FileView(7, sha256(b"weights").hexdigest())


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert file_view(tmp_path / "pipe") is None
    assert file_view(tmp_path) is None
    assert file_view(tmp_path / "gone.pt") is None
