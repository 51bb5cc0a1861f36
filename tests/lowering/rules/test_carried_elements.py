"""Truth values and whole numbers that floats carry: what is accepted gives exactly what PyTorch gives."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.modules import ExampleModule, example_module
from tests.lowering.rules.test_accepted_moves import IMAGE, IN_NHWC
from tests.lowering.whole_graphs import captured_function, judged_function, runs

Convert = Callable[[torch.Tensor], torch.Tensor]

KINDS: dict[str, Convert] = {
    "truth values": lambda x: x > 0.25,
    "whole numbers": lambda x: (x > 0).long() * 7 - (x > 0.5).long() * 3,
}
"""What computes elements of a kind from floats, so that no input states them."""

UNTRIED: dict[str, tuple[str, ...]] = {
    **{
        f"aten.{op}": ("truth values",)
        for op in (
            *("sub.Tensor", "sub.Scalar", "rsub.Scalar", "neg.default", "abs.default", "reflection_pad1d.default"),
            *("replication_pad1d.default", "reflection_pad2d.default", "replication_pad2d.default"),
        )
    },
    "aten.vstack.default": tuple(KINDS),
}
"""Ops of which PyTorch has none for elements of a kind, and one whose examples have constants or other types."""

MOVED = [name for name in IN_NHWC if name not in ("resized", "pooled unevenly", "pooled with padding")]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def _carrying() -> list[Card]:
    return [card for card in open_registry().cards() if card.ways and _arguments(card)]


class Converted(torch.nn.Module):
    """A call whose floats are made elements of another kind first, and its results floats again."""

    def __init__(self, call: Callable[..., object], converts: Sequence[Convert | None]) -> None:
        super().__init__()
        self.call, self.converts = call, converts

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pairs = zip(given, self.converts, strict=True)
        found = self.call(*(x if convert is None else convert(x) for x, convert in pairs))
        return tuple(x.float() for x in flat_tensors(found))


def _examples(card: Card) -> Iterator[Example]:
    """The examples in which every tensor that may be carried is an input of floats."""
    for way in card.ways:
        for example in way.examples:
            specs = [
                spec
                for name, given in example.tensors
                for spec in ((given,) if isinstance(given, str) else tuple(given))
                if name in _arguments(card)
            ]
            if example.expect is None and all(spec.startswith("f32") and "!" not in spec for spec in specs):
                yield replace(example, reads=())


def _arguments(card: Card) -> tuple[str, ...]:
    return card.elements_of or card.exact_in_floats


def _called(card: Card, made: ExampleModule, convert: Convert) -> Converted:
    names = [argument.name for argument in made.module._c._get_method("forward").schema.arguments[1:]]
    is_carried = [name.removeprefix("x_").rstrip("0123456789") in _arguments(card) for name in names]
    return Converted(made.module, [convert if carried else None for carried in is_carried]).eval()


def _carried(verdicts: Sequence[NodeVerdict]) -> bool:
    return any(verdict.way is not None and verdict.way.carried for verdict in verdicts)


def _levels(function: Converted, inputs: Sequence[torch.Tensor], registry: Registry) -> set[int]:
    """The levels that accept a function whole, each of which gives exactly what PyTorch gives."""
    found, wanted = runs(function, inputs, registry), function(*inputs)
    for run in found.values():
        for computed, expected in zip(run.outputs, wanted, strict=True):
            is_whole = torch.equal(expected, expected.round())
            torch.testing.assert_close(computed, expected, rtol=0, atol=0 if is_whole else 1e-6)
    return set(found)


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("card", _carrying(), ids=lambda card: card.op)
def test_each_op_gives_the_same_elements(card: Card, kind: str, registry: Registry) -> None:
    convert, tried = KINDS[kind], []
    for example in _examples(card):
        made = example_module(card, example)
        function = _called(card, made, convert)
        try:
            function(*made.inputs)
        except RuntimeError:
            # PyTorch has no such elements for this op.
            continue
        _levels(function, made.inputs, registry)
        # Some need a change of layout that is made between two parts.
        verdicts = judged_function(captured_function(function, made.inputs), registry).at(8)
        assert all(verdict.is_supported for verdict in verdicts.values()), example.name
        tried.append(example.name)

    assert bool(tried) is (kind not in UNTRIED.get(card.op, ()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MOVED)
def test_moves_of_images_give_the_same_elements(name: str, kind: str, registry: Registry) -> None:
    torch.manual_seed(4)
    function, x = Converted(IN_NHWC[name], [KINDS[kind]]).eval(), torch.randn(IMAGE)
    try:
        function(x)
    except RuntimeError:
        pytest.skip("PyTorch has no such elements for this op")

    _levels(function, [x], registry)


def test_numbers_that_may_be_greater_stay_whole(registry: Registry) -> None:
    captured = captured_function(lambda x: x.transpose(0, 1), [torch.randint(9, (3, 5))])
    verdicts = list(judged_function(captured, registry).at(8).values())

    assert not _carried(verdicts)
    assert not verdicts[0].is_supported


def test_whole_numbers_become_real_ones_however_great(registry: Registry) -> None:
    inputs = [torch.tensor([[5, 2**30, -(2**24) - 1]])]
    found = runs(lambda x: 1.5 - x, inputs, registry)

    assert set(found) == set(range(3, 9))
    for run in found.values():
        assert torch.equal(run.outputs[0], 1.5 - inputs[0])


def test_what_is_a_condition_as_well_is_not_carried(registry: Registry) -> None:
    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        truths = x > 0
        return torch.where(truths, truths, y > 0)

    captured = captured_function(function, [torch.randn(3, 5), torch.randn(3, 5)])

    assert not _carried(list(judged_function(captured, registry).at(8).values()))


def test_a_run_of_moves_is_converted_once(registry: Registry) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return (x > 0).transpose(1, 2).reshape(2, -1).roll(1, 1).float()

    run = runs(function, [torch.randn(2, 3, 5)], registry)[8]
    kinds = [operation.kind for operation in run.lowered.model.operations]

    # One before the first, and one that makes the results floats.
    assert kinds.count("SELECT") == 2
    assert kinds.count("NOT_EQUAL") == 1
