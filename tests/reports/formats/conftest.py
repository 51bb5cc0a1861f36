"""A repository with the source of the sample's model, and where a report on it comes from."""

from pathlib import Path

import pytest

from nnapi_check.reports.formats.findings import Origin, origin_of
from tests.reports.sample_reports import mixed_report


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """The sample was made on another machine, where the repository lay in another folder."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "vision" / "models").mkdir(parents=True)
    (tmp_path / "vision" / "models" / "segmenter.py").write_text("# its source\n")
    (tmp_path / "segmenter one.pt").write_bytes(b"a model")
    return origin_of(tmp_path / "segmenter one.pt", mixed_report(), tmp_path)
