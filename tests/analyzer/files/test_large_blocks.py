"""What a model frees while it is traced is given back, and does not lie unused until the process ends."""

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import torch
from nnapi_check.analyzer.capture.capture import capture

class Large(torch.nn.Module):
    def forward(self, x):
        for _ in range(4):
            found = [torch.sin(x.expand(1 << 20, 5)) for _ in range(8)]
            x = x + sum(item[0] for item in found)
        return x

def held():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) >> 10

# From here on the C library takes blocks of up to this size from where small ones lie as well.
torch.empty(30 << 20, dtype=torch.uint8)
before = held()
capture(Large(), [torch.rand(5)], weights=False)
print(held() - before)
"""
_MIB_OF_ALL_TENSORS = 4 * 8 * 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process holds")
def test_tensors_of_a_traced_run_are_given_back() -> None:
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)

    assert int(run.stdout) < _MIB_OF_ALL_TENSORS / 4
