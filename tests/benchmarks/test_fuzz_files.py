"""The files that are damaged are honest ones before, each read to its end: a file refused at once tests nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.damaged_files import Sample, samples
from benchmarks.fuzz_files import answered
from nnapi_check.coverage_db.errors import UserError


def test_every_file_is_read_but_the_one_that_holds_no_model(tmp_path: Path) -> None:
    before = torch.backends.quantized.engine
    honest: dict[str, Sample] = {sample.name: sample for sample in samples()}
    model = tmp_path / "honest.pt"
    model.write_bytes(honest["traced.pt"].data)
    refused = []
    for sample in honest.values():
        path = tmp_path / sample.name
        path.write_bytes(sample.data)
        try:
            answered(sample, path, model)
        except UserError as error:
            refused.append((sample.name, str(error)))

    assert torch.backends.quantized.engine == before
    assert [name for name, _ in refused] == ["pickled.pt"]
    assert "holds tensors but no model" in refused[0][1]
