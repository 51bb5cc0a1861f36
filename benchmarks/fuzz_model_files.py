"""Open mutated model files in the NDK's runtime under sanitizers, and build and run those that it takes.

    python -m benchmarks.fuzz_model_files                     a hundred thousand of each of two files
    python -m benchmarks.fuzz_model_files --count 1000000     more
    python -m benchmarks.fuzz_model_files --seed 7            others

Checksums are made to fit, so that what lies behind them is tried. The exit code is 1 where a sanitizer found a fault.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from nnapi_check.lowering.ndk.writing import write_program
from tests.lowering.ndk.builds import fake_nnapi, fuzzer
from tests.lowering.ndk.programs import CODES, choosing, convolving

COUNT = 100_000


def main() -> int:
    """Fuzz both files; gives 1 where a run ended otherwise than well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help=f"mutations of each file ({COUNT:,})")
    parser.add_argument("--seed", type=int, default=1, help="what mutations are drawn from (1)")
    given = parser.parse_args()
    is_bad = False
    with tempfile.TemporaryDirectory() as folder:
        for name, (program, weights) in {"convolution": convolving(), "branches": (choosing(), ())}.items():
            path = Path(folder) / f"{name}.nnc"
            write_program(program, weights, CODES, path)
            words = [str(fuzzer()), str(path), str(given.count), str(given.seed), str(fake_nnapi(5))]
            answer = subprocess.run(words, capture_output=True, text=True, check=False)
            print(f"{name}: {answer.stdout.strip() or f'ended with code {answer.returncode}'}{answer.stderr[:4000]}")
            is_bad = is_bad or answer.returncode != 0
    return 1 if is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
