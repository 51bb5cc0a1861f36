"""Carry every example of every card to the NDK's runtime: what a check promises, the file holds and the runtime runs.

    python -m benchmarks.ndk_examples                 at feature levels 3 and 8
    python -m benchmarks.ndk_examples --level 1       at others; repeatable
    python -m benchmarks.ndk_examples --op conv2d     of ops whose name holds this

Each example is converted as a model of its own. Files are read back equal, opened by the runtime, and run at the
functions of the level, and the outputs are compared with PyTorch's; of quantized ones, which are small here, any share
may be a step off. The exit code is 1 where anything was promised and not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nnapi_check.analyzer.errors import InputError
from nnapi_check.conversion import convert_model
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.levels import feature_levels
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.pipeline import Request
from nnapi_check.progress import Progress

LEVELS = (3, 8)


def examples(part_of_name: str) -> Iterator[tuple[Card, Example]]:
    """Every example that a card says should pass, each once."""
    for card in open_registry().cards():
        if part_of_name in card.op:
            seen = {example.name: example for way in card.ways for example in way.examples if example.expect is None}
            yield from ((card, example) for example in seen.values())


def outcome(card: Card, example: Example, level: int, folder: Path) -> str:
    """What became of an example, in a few words; what begins with an exclamation mark broke a promise."""
    made = example_module(card, example)
    request = Request(feature_level=level, target=NDK)
    try:
        found = convert_model(made.module, made.inputs, folder / "out", request, Progress(is_quiet=True))
    except InputError as error:
        # Some examples are of calls that PyTorch itself does not compute.
        return f"refused: {error}"
    except Exception as error:  # noqa: BLE001  # a row tells what went wrong, whatever it is
        return f"! {type(error).__name__}: {error}"
    if found.verification is None:
        return f"not promised: {found.report.readiness}"
    if "host runtime" not in found.verification.ran_in:
        return f"! ran in {found.verification.ran_in}"
    is_kept = all(item.is_within_tolerance or item.steps == 1 for item in found.verification.outputs)
    return "kept" if is_kept else f"! {found.verification.outputs}"


def main() -> int:
    """Print what broke, and the numbers of all outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", action="append", type=int, choices=feature_levels(), help="a level; repeatable")
    parser.add_argument("--op", default="", help="a part of the names of ops")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        for level in given.level or LEVELS:
            for card, example in examples(given.op):
                found = outcome(card, example, level, Path(name))
                if found.startswith("!"):
                    print(f"{card.op} / {example.name} at level {level}: {found[2:400]}", flush=True)
                counts[found.split(":")[0] if not found.startswith("!") else "broken"] += 1
    for words, count in counts.most_common():
        print(f"{count:6} {words}")
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
