"""Cards say of their ops where results jump."""

from collections.abc import Iterator

import pytest
import torch

from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.input_classes import Jump
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.reports.registry_text import explained

CHANGE = 1e-6
"""What each element of an input is changed by at most."""

JUMP = 0.05
"""A result that changes by more has jumped, where it is no pole."""

POLE = 1e3

POLES = {"aten.atanh.default", "aten.logit.default", "aten.div.Tensor", "aten.cosine_similarity.default"}
"""Ops that are as steep as one likes near a place where they are not defined, and continuous elsewhere."""


def on_thresholds(tensor: torch.Tensor) -> torch.Tensor:
    """The nearest tensor of halves, of which many are equal; what holds no real numbers is left."""
    return (tensor * 2).round() / 2 if tensor.dtype is torch.float32 else tensor


def changed(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.dtype is not torch.float32:
        return tensor
    return tensor + CHANGE * (torch.rand(tensor.shape, generator=generator) * 2 - 1)


def flat(made: object) -> Iterator[torch.Tensor]:
    if isinstance(made, torch.Tensor):
        yield made.dequantize() if made.is_quantized else made
    elif isinstance(made, tuple | list):
        for item in made:
            yield from flat(item)


def has_jumped(card: Card) -> bool:
    """Whether tiny changes of an example's inputs change what PyTorch makes of them by much."""
    generator = torch.Generator().manual_seed(7)
    for way in card.ways:
        for example in [example for example in way.examples if example.expect is None][:1]:
            built = example_module(card, example)
            inputs = [on_thresholds(tensor) for tensor in built.inputs if isinstance(tensor, torch.Tensor)]
            if len(inputs) != len(built.inputs):
                continue
            for _ in range(3):
                try:
                    first, second = (
                        list(flat(built.module(*(changed(x, generator) for x in inputs)))) for _ in range(2)
                    )
                except RuntimeError:
                    break
                for left, right in zip(first, second, strict=True):
                    if left.shape != right.shape:
                        return True
                    if left.is_complex() or left.numel() == 0:
                        continue
                    a, b = left.double(), right.double()
                    known = a.isfinite() & b.isfinite() & (a.abs() < POLE) & (b.abs() < POLE)
                    if bool(((a - b).abs()[known] > JUMP).any()):
                        return True
    return False


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_op_whose_result_jumps_says_where() -> None:
    cards = [card for card in open_registry().cards() if card.ways]
    torch.manual_seed(0)
    with torch.no_grad():
        jumping = {card.op for card in cards if has_jumped(card)}

    assert jumping - POLES - {card.op for card in cards if card.jumps is not Jump.NONE} == set()
    assert jumping > POLES | {"aten.topk.default", "aten.gt.Tensor", "aten.round.default", "aten.div.Tensor_mode"}


def test_op_is_not_said_to_jump_that_only_adds_up_or_moves() -> None:
    registry = open_registry()

    for op in ("aten.add.Tensor", "aten.linear.default", "aten.max_pool2d.default", "aten.amax.default"):
        assert registry.card(op).jumps is Jump.NONE


def test_op_that_writes_in_place_jumps_as_the_one_that_returns() -> None:
    registry = open_registry()

    assert registry.card("aten.floor_.default").jumps is Jump.THRESHOLDS


@pytest.mark.parametrize("op", ["aten.topk.default", "torchvision.nms.default", "aten.floor.default"])
def test_explain_tells_where_an_op_jumps(op: str) -> None:
    registry = open_registry()

    assert registry.card(op).jumps.words[:25] in explained(op, registry).text
