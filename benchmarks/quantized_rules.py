"""Draws scales and zero points, extremes included, for every rule of quantized tensors, and holds it to its bound.

    python -m benchmarks.quantized_rules --lines rows.jsonl            every rule, 2,000 times; goes on where it was
    python -m benchmarks.quantized_rules --lines rows.jsonl --write    write the table into docs/quantized-draws.md

Each card's passing examples with quantized tensors are drawn anew; what a way accepts is lowered, run in the
interpreter, and compared with PyTorch's QNNPACK (beside ``x86`` where QNNPACK refuses the call). A table tells, by op
and way, how many draws were accepted, refused by the way and by PyTorch itself, the greatest difference in steps, and
the shares of elements that were off and were stated to be. Exit code 1: something is beyond its bound.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path

import torch

from benchmarks.drawn_rows import Shares, run
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import Card, Example, Way
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.measure import ExampleError, example_numbers

_QUANTIZED = re.compile(r"\b(quint8|qint8|qint32)\(([^,]+),([^)]+)\)")
_ZERO_POINTS = {"quint8": (0, 255), "qint8": (-128, 127)}
SMALLEST, LARGEST = 1e-6, 1e3
PAGE = Path(__file__).parent.parent / "docs" / "quantized-draws.md"
_MULTIPLES = (0.5, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10)


@dataclass(slots=True)
class Row:
    """What was found of one way."""

    accepted: int = 0
    refused: int = 0
    failed: int = 0
    steps: int = 0
    shares: Shares = field(default_factory=Shares)
    beyond: list[str] = field(default_factory=list)
    engine: str = ""

    @property
    def cells(self) -> dict[str, str]:
        """The numbers, as the table tells them."""
        counts = {
            "accepted": self.accepted,
            "refused": self.refused,
            "PyTorch refuses": self.failed,
            "steps": self.steps,
        }
        numbers = {name: str(number) for name, number in counts.items()}
        return {**numbers, **self.shares.cells, "engine": self.engine or "qnnpack"}


def quantized_ways() -> Iterator[tuple[Card, Way, list[Example]]]:
    """The ways with passing examples of quantized tensors, and these examples."""
    for card in load_cards().values():
        for way in card.ways:
            examples = [item for item in way.examples if item.expect is None and _is_quantized(item)]
            if examples:
                yield card, way, examples


def _is_quantized(example: Example) -> bool:
    return any(_QUANTIZED.search(text) for _, spec in example.tensors for text in _texts(spec))


def _texts(spec: str | tuple[str, ...]) -> tuple[str, ...]:
    return (spec,) if isinstance(spec, str) else spec


def drawn(example: Example, draw: random.Random, *, is_fixed: bool = False) -> Example:
    """The example with other scales and zero points: of sizes that belong together, or of any.

    A fifth of those that belong together are small multiples of one scale, so that many results lie halfway between
    two steps. Tensors with the same parameters have the same again at times. Those of the output stay where they are
    fixed.
    """
    is_wild = draw.random() < 0.4
    is_round = not is_wild and draw.random() < 0.2
    factor = 10 ** draw.uniform(-4, 2)

    def scale(known: float) -> float:
        if is_wild:
            return 10 ** draw.uniform(-6, 3)
        if is_round:
            return factor / 100 * draw.choice(_MULTIPLES)
        return min(max(known * factor * 10 ** draw.uniform(-0.5, 0.5), SMALLEST), LARGEST)

    def zero_point(kind: str) -> int:
        low, high = _ZERO_POINTS[kind]
        return draw.choice([low, high, draw.randint(low, high)])

    is_alike = draw.random() < 0.3
    drawn_before: dict[str, str] = {}

    def again(match: re.Match[str]) -> str:
        kind, known, zero = match[1], float(match[2]), int(match[3])
        if kind not in _ZERO_POINTS:
            return match[0]
        if is_alike and match[0] in drawn_before:
            return drawn_before[match[0]]
        # Filters with a scale for each channel are symmetric, and so are examples of what is.
        drawn_before[match[0]] = (
            f"{kind}({scale(known):.9g},{zero if zero == 0 and kind == 'qint8' else zero_point(kind)})"
        )
        return drawn_before[match[0]]

    tensors = tuple(
        (name, _QUANTIZED.sub(again, spec) if isinstance(spec, str) else tuple(_QUANTIZED.sub(again, t) for t in spec))
        for name, spec in example.tensors
    )
    if is_fixed:
        return replace(example, tensors=tensors)
    args = []
    for name, value in example.args:
        if name in {"output_scale", "scale"} and isinstance(value, float):
            value = scale(value) * (1.0 if is_wild or is_round else factor)
        elif name in {"output_zero_point", "zero_point"} and isinstance(value, int):
            value = zero_point("quint8")
        args.append((name, value))
    return replace(example, tensors=tensors, args=tuple(args))


def try_way(card: Card, way: Way, examples: list[Example], registry: Registry, draws: int, seed: int) -> Row:
    """Draw ``draws`` times, for PyTorch's engine for desktops where QNNPACK refuses all of them."""
    row = _tried(card, way, examples, registry, draws, seed)
    if row.failed < draws:
        return row
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = "x86"
    try:
        return replace(_tried(card, way, examples, registry, draws, seed), engine="x86")
    finally:
        torch.backends.quantized.engine = engine


def _tried(card: Card, way: Way, examples: list[Example], registry: Registry, draws: int, seed: int) -> Row:
    row = Row()
    draw = random.Random(f"{seed} {card.op} {way.name}")
    is_fixed = any(requirement.id.startswith("fixed-") for requirement in way.requires)
    for _ in range(draws):
        example = drawn(draw.choice(examples), draw, is_fixed=is_fixed)
        try:
            _, bounded, numbers = example_numbers(card, way, example, registry)
        except ExampleError:
            row.refused += 1
            continue
        except (InputError, RuntimeError):
            row.failed += 1
            continue
        row.accepted += 1
        for found in numbers:
            steps, bound = found.steps or 0, bounded.bound or Bound()
            size = prod(found.shape)
            row.steps = max(row.steps, steps)
            row.shares.add(size, size * (found.steps_share or 0.0), bound.share)
            if steps > bound.steps and len(row.beyond) < 3:
                row.beyond.append(f"{example.tensors} {example.args}: {found.steps} steps, {found.steps_share:.2%}")
    if row.shares.is_beyond:
        row.beyond.append("more elements off than stated")
    return row


@quantized_as_on_phones()
def main(arguments: list[str] | None = None) -> int:
    """Run the draws and print the table."""
    registry = open_registry()
    subjects = (
        (f"{card.op}/{way.name}", partial(try_way, card, way, examples, registry))
        for card, way, examples in quantized_ways()
    )
    return run(__doc__.splitlines()[0], subjects, arguments, PAGE)


if __name__ == "__main__":
    sys.exit(main())
