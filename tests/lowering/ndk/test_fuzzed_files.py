"""Model files that anyone may have written do no harm to the runtime, as the sanitizers see it."""

import re
import subprocess
from pathlib import Path

import pytest

from nnapi_check.lowering.ndk.writing import write_program
from tests.lowering.ndk.builds import fake_nnapi, fuzzer
from tests.lowering.ndk.programs import CODES, choosing, convolving

COUNT = 400


@pytest.mark.parametrize("name", ["convolving", "choosing"])
def test_mutated_files_are_refused_or_run(name: str, tmp_path: Path) -> None:
    program, weights = convolving() if name == "convolving" else (choosing(), ())
    write_program(program, weights, CODES, tmp_path / "model.nnc")
    words = [str(fuzzer()), str(tmp_path / "model.nnc"), str(COUNT), "1", str(fake_nnapi(5))]

    answer = subprocess.run(words, capture_output=True, text=True, check=False)

    assert (answer.returncode, answer.stderr) == (0, "")
    taken = re.fullmatch(rf"(\d+) of {COUNT} were taken\n", answer.stdout)
    assert taken is not None
    assert 0 < int(taken.group(1)) < COUNT // 2
