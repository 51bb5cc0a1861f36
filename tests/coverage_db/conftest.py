"""A folder of text with two small cards, and a cache of its own for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nnapi_check.coverage_db

CARDS = """
["aten.relu.default"]
summary = "The larger of x and 0."

[["aten.relu.default".ways]]
name = "operation"
emits = ["RELU"]
layout = "any"
differences = ["layout"]

[["aten.relu.default".ways.requires]]
id = "not-empty"
check = { kind = "greater", arg = "self.numel", value = 0 }
because = "A dimension of 0 means unknown."
fix = "Leave empty tensors out."
reason = "NNC301"

[["aten.relu.default".ways.examples]]
name = "plain"
self = "f32[1,2,7,9]"

["aten.erfinv.default"]
summary = "Inverse of the error function."
gap = "No operation computes it."

["aten.gru.input"]
summary = "A gated recurrent unit."
unwritten = ["LSTM", "MUL"]
"""

DIFFERENCES = """
[layout]
title = "Order of dimensions"
pytorch = "NCHW"
nnapi = "NHWC"
bridge = "exactly, by a permutation"
source = "tools/api/types.spec"
"""

REASONS = """
[NNC301]
kind = "shape"
title = "Empty tensor"
explanation = "A dimension of 0 means unknown."
fix = "Leave empty tensors out."
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A copy of the facts, with cards of the test's own."""
    folder = tmp_path / "text"
    shutil.copytree(Path(nnapi_check.coverage_db.__file__).parent / "nnapi", folder / "nnapi")
    (folder / "ops").mkdir()
    (folder / "ops" / "small.toml").write_text(CARDS, encoding="utf-8")
    (folder / "differences.toml").write_text(DIFFERENCES, encoding="utf-8")
    (folder / "reasons.toml").write_text(REASONS, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache directory of the test, which is not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NNAPI_CHECK_CACHE", str(folder))
    return folder
