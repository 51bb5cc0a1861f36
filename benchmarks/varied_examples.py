"""Hold what is promised of every card's examples when one of their tensors is shrunken, or a number is extreme.

    python benchmarks/varied_examples.py [OP ...] [--kind shapes|floats|integers ...] [--every N]

One tensor at a time, or all of them, loses all dimensions, loses its first, gains one before it, or gets dimensions of
1, so that it is broadcast where nobody thinks of it; one number at a time, those left at their defaults too, becomes
infinite, undefined, 0, negative, or one that float32 or 32 bits do not hold. Each module that PyTorch itself takes is
checked, lowered, run and compared at levels 1, 3 and 8, on its own numbers. Exit code 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.agreement import Disagreement
from benchmarks.draws import Draw
from benchmarks.extreme_numbers import with_extreme_floats, with_extreme_integers
from benchmarks.promises import hold
from benchmarks.varied_shapes import shrunken
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import DynamicType
from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.modules import ExampleModule, example_module

LEVELS = (1, 3, 8)

# PyTorch itself dies of some of these in shapes that they do not take.
DEADLY = ("nnapi_check.", "quantized.", "aten.lstm", "aten.gru", "aten.rnn", "aten._native", "aten._transformer")


KINDS: dict[str, Callable[[Card, Example], Iterator[Example]]] = {
    "shapes": lambda _card, example: shrunken(example),
    "floats": with_extreme_floats,
    "integers": with_extreme_integers,
}
"""How examples are varied."""


@dataclass(frozen=True, slots=True)
class Variant:
    """An example of a card with other shapes, or another number."""

    card: Card
    example: Example


@dataclass(frozen=True, slots=True)
class Held:
    """How many modules PyTorch took, and what did not hold of them."""

    modules: int
    faults: tuple[str, ...]


def variants(cards: Sequence[Card], kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Variant]:
    """Every varied form of every example that passes, once."""
    seen = set()
    for card in cards:
        for example in (example for way in card.ways for example in way.examples if example.expect is None):
            for found in (found for kind in kinds for found in KINDS[kind](card, example)):
                # Of numbers, 0.0 equals -0.0, and no NaN another: as texts they are told apart.
                call = (card.op, found.tensors, str(found.args))
                if call not in seen:
                    seen.add(call)
                    yield Variant(card, found)


def held(found: Iterator[Variant]) -> Held:
    """Hold every promise that is made of these."""
    faults, modules = [], 0
    for variant in found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = _made(variant)
        if made is None:
            continue
        modules += 1
        where = f"{variant.card.op}{variant.example.tensors}{variant.example.args}"
        answer = hold(made.module, {Draw.SAMPLE: made.inputs}, LEVELS)
        faults += [
            f"{where} at level {fault.level}: {fault.told}"
            for fault in answer.faults
            if fault.kind is not Disagreement.ZERO_SIGN
        ]
    return Held(modules, tuple(faults))


def held_apart(card: Card, found: Sequence[Variant]) -> Iterator[Held]:
    """What is held of the variants of one card, in a process of its own, for PyTorch dies of some of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held.jsonl"
        path.touch()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                faulthandler.disable()
                with path.open("w", encoding="utf-8") as file:
                    for variant in found:
                        one = held(iter((variant,)))
                        file.write(json.dumps([one.modules, one.faults]) + "\n")
                        file.flush()
                code = 0
            finally:
                os._exit(code)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    yield from (Held(modules, tuple(faults)) for modules, faults in rows)
    if ended:
        last = found[min(len(rows), len(found) - 1)].example
        yield Held(0, (f"{card.op}{last.tensors}{last.args}: the process ended with {ended}, after {len(rows)}",))


def _made(variant: Variant) -> ExampleModule | None:
    """None where PyTorch itself refuses the call, or reads past a tensor, which gives other numbers each time."""
    if variant.card.op.startswith(DEADLY) and not _is_survived(variant):
        return None
    try:
        found = example_module(variant.card, variant.example)
        found.module(*found.inputs)
    except (RuntimeError, IndexError, ValueError, TypeError, CardError):
        return None
    return None if _reads_past(found) or _names_no_image(variant, found) else found


def _names_no_image(variant: Variant, made: ExampleModule) -> bool:
    """Whether a box is of an image that is not there, past which torchvision reads."""
    if not variant.card.op.startswith("torchvision.roi_") or len(made.inputs) < 2 or made.inputs[1].dim() != 2:
        return False
    images, numbers = made.inputs[0].shape[0], made.inputs[1][:, 0]
    return bool(((numbers < 0) | (numbers >= images)).any())


def _reads_past(made: ExampleModule) -> bool:
    try:
        graph = capture(made.module, made.inputs, weights=False).graph
    except InputError:
        return False
    kinds = [graph.type_of(value) for node in graph.nodes() for value in node.outputs]
    return any(isinstance(kind, DynamicType) and "reads past" in kind.reason for kind in kinds)


def _is_survived(variant: Variant) -> bool:
    """Whether a process of its own lives to give an answer."""
    child = os.fork()
    if child == 0:
        try:
            # Its death is an answer, and no news for whoever watches this process.
            faulthandler.disable()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            found = example_module(variant.card, variant.example)
            found.module(*found.inputs)
        except (RuntimeError, IndexError, ValueError, TypeError, CardError):
            os._exit(1)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep, and print what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", nargs="*", help="only ops with one of these in their names")
    parser.add_argument("--kind", action="append", choices=tuple(KINDS), help="only what is varied so")
    parser.add_argument("--every", type=int, default=1, help="only each so many'th module")
    options = parser.parse_args(arguments)
    cards = [card for card in load_cards().values() if not options.ops or any(name in card.op for name in options.ops)]
    modules = faults = 0
    tried = itertools.islice(variants(cards, options.kind or tuple(KINDS)), 0, None, options.every)
    for card, found in itertools.groupby(tried, lambda variant: variant.card):
        for one in held_apart(card, tuple(found)):
            modules, faults = modules + one.modules, faults + len(one.faults)
            for fault in one.faults:
                print(fault, flush=True)
    print(f"{modules} modules, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
