"""Cards' examples with tensors of rank 0: what is promised of them holds."""

import re
import warnings
from dataclasses import replace

import pytest

from benchmarks.agreement import Disagreement
from benchmarks.draws import Draw
from benchmarks.promises import hold
from nnapi_check.coverage_db.cards import Card, Example, load_cards
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.modules import ExampleModule, example_module

# PyTorch itself dies of some of these in shapes that they do not take.
_LEFT_OUT = ("nnapi_check.", "quantized.", "aten.lstm", "aten.gru", "aten.rnn", "aten._native", "aten._transformer")
CARDS = [card for card in load_cards().values() if card.ways and not card.op.startswith(_LEFT_OUT)]
_SHAPE = re.compile(r"^(?P<type>[a-z0-9]+)\[[0-9,]*\](?P<rest>[+!]*)$")
_ONE_AXIS = ("dim", "dim0", "dim1", "start_dim", "end_dim")


def without_dimensions(spec: str) -> str:
    match = _SHAPE.match(spec)
    return spec if match is None else f"{match['type']}[]{match['rest']}"


def variants(example: Example) -> list[Example]:
    tensors = tuple(
        (name, without_dimensions(spec) if isinstance(spec, str) else tuple(map(without_dimensions, spec)))
        for name, spec in example.tensors
    )
    first = tuple((name, 0 if name in _ONE_AXIS and isinstance(item, int) else item) for name, item in example.args)
    return [replace(example, tensors=tensors, args=args) for args in dict.fromkeys((example.args, first))]


def made(card: Card, example: Example) -> ExampleModule | None:
    """None where PyTorch itself refuses the call."""
    try:
        found = example_module(card, example)
        found.module(*found.inputs)
    except (RuntimeError, IndexError, ValueError, TypeError, CardError):
        return None
    return found


@pytest.mark.filterwarnings("ignore")
def test_what_is_promised_of_tensors_without_dimensions_holds() -> None:
    faults, held = [], 0
    for card in CARDS:
        example = next((example for example in card.ways[0].examples if example.expect is None), None)
        for variant in variants(example) if example is not None else ():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = made(card, variant)
            if module is None:
                continue
            held += 1
            answer = hold(module.module, {Draw.SAMPLE: module.inputs}, (3, 8))
            faults += [
                f"{card.op}{variant.tensors}{variant.args} at level {fault.level}: {fault.told}"
                for fault in answer.faults
                if fault.kind is not Disagreement.ZERO_SIGN
            ]

    assert held > 100
    assert faults == []
