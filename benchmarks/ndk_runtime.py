"""Measure the NDK's runtime: its size, that of its files, and its calls beside those that are written by hand.

    python -m benchmarks.ndk_runtime                 all of it
    python -m benchmarks.ndk_runtime --rounds 200    more rounds of calls

Two layers run in NNAPI's host runtime, where a call asks the interpreter in another process, and in a library that
computes nothing, so that only calls are left. Where Debian's cross compiler and qemu are there (g++-aarch64-linux-gnu,
qemu-user), the runtime is built for 64-bit ARM as well, and run.
The exit code is 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

import nnapi_check
from nnapi_check.lowering.ndk.project import MODEL_NAME, RUNTIME
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer
from tests.lowering.ndk.builds import fake_nnapi

LARGEST_RUNTIME = 100 << 10
MOST_BESIDE_WEIGHTS = 1.01
SLOWEST_CALL = 1.05
LEVELS = (3, 5)
CALLS_IN_NOTHING = 20000
CALLS_IN_HOST = 5


def layers() -> nn.Sequential:
    """The model that ``ndk_caller.cpp`` writes out by hand."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).eval()


def built(folder: Path, *options: str) -> Path:
    """The runtime as CMake builds it for a release."""
    folder.mkdir()
    for command in (["cmake", "-S", str(RUNTIME), "-B", str(folder), *options], ["cmake", "--build", str(folder)]):
        subprocess.run(command, check=True, capture_output=True)
    return folder / "libnnc.so"


def stripped_size(library: Path, strip: str) -> int:
    """The bytes of a library without its symbols."""
    copy = library.with_name("stripped.so")
    subprocess.run([strip, "-o", str(copy), str(library)], check=True)
    return copy.stat().st_size


def called(words: Sequence[str], environment: Mapping[str, str]) -> list[float]:
    """What the caller prints."""
    answer = subprocess.run(words, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    return [float(word) for word in answer.stdout.split()]


def told(name: str, found: Sequence[float]) -> float:
    """Print a row of times; gives the ratio of calls."""
    first_by_hand, first, by_hand, call = found
    print(
        f"{name:28} first run {first_by_hand:9.1f} us by hand, {first:9.1f} us; "
        f"a call {by_hand:9.3f} us by hand, {call:9.3f} us: {call / by_hand:.3f} times"
    )
    return call / by_hand


def main() -> int:
    """Measure, and compare with the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="rounds of calls (60)")
    rounds = str(parser.parse_args().rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module, x = layers(), torch.rand(1, 64)
        nnapi_check.convert(module, folder / "out", [x], feature_level=3, target="ndk", verify=False)
        weights = b"".join(tensor.detach().numpy().tobytes() for tensor in module.parameters())
        (folder / "weights.raw").write_bytes(weights)
        library = built(folder / "build")
        size = stripped_size(library, "strip")
        print(f"the runtime, stripped: {size:,} bytes (goal {LARGEST_RUNTIME:,})")
        ratio = (folder / "out" / MODEL_NAME).stat().st_size / len(weights)
        print(f"a file of {len(weights):,} bytes of weights: {ratio:.4f} times as large")
        caller = folder / "ndk_caller"
        source = Path(__file__).with_suffix("").with_name("ndk_caller.cpp")
        beside = [f"-I{RUNTIME / 'include'}", f"-L{library.parent}", f"-Wl,-rpath,{library.parent}", "-lnnc", "-ldl"]
        subprocess.run(["c++", "-std=c++17", "-O2", str(source), *beside, "-o", str(caller)], check=True)
        words = [str(caller), str(folder / "out" / MODEL_NAME), str(folder / "weights.raw"), rounds]
        worst = _calls(words, folder)
        if shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64"):
            _on_arm(folder)
    return 0 if size <= LARGEST_RUNTIME and worst <= SLOWEST_CALL else 1


def _calls(words: Sequence[str], folder: Path) -> float:
    """Time calls; gives the worst ratio in the host runtime."""
    worst = 0.0
    for level in LEVELS:
        (folder / f"nothing{level}").mkdir()
        shutil.copy(fake_nnapi(level), folder / f"nothing{level}" / "libneuralnetworks.so")
        nothing = {"LD_LIBRARY_PATH": str(folder / f"nothing{level}")}
        told(f"level {level}, nothing computed", called([*words, str(CALLS_IN_NOTHING)], nothing))
    with HostServer() as server:
        for level in LEVELS:
            found = called([*words, str(CALLS_IN_HOST)], server.environment(level))
            worst = max(worst, told(f"level {level}, host runtime", found))
    return worst


def _on_arm(folder: Path) -> None:
    """Build the runtime and a library without computation for 64-bit ARM, and run a model there."""
    compiler = "aarch64-linux-gnu-g++"
    system = ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={compiler}")
    library = built(folder / "arm", *system, "-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-z,max-page-size=4096")
    size = stripped_size(library, "aarch64-linux-gnu-strip")
    fake = Path(__file__).parent.parent / "tests" / "lowering" / "ndk" / "fake_nnapi.cpp"
    options = ["-std=c++17", "-O1", "-fPIC", "-shared", "-DFAKE_LEVEL=5"]
    subprocess.run([compiler, *options, str(fake), "-o", str(library.with_name("libneuralnetworks.so"))], check=True)
    words = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-E", f"LD_LIBRARY_PATH={library.parent}"]
    answer = subprocess.run(
        [*words, str(library.parent / "run_model"), str(folder / "out" / MODEL_NAME)], capture_output=True, text=True
    )
    print(f"for 64-bit ARM, stripped: {size:,} bytes; under qemu: {answer.stdout.splitlines()[-1:]} {answer.stderr}")


if __name__ == "__main__":
    sys.exit(main())
