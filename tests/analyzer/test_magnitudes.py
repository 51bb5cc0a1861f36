"""How great whole numbers can be: no run of PyTorch gives greater ones, whatever it is given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import pytest
import torch
from torch.nn import functional

from benchmarks.draws import Draw
from benchmarks.opinfo_calls import OpInfo, calls, infos
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.magnitudes import GREATEST_IN_FLOATS, magnitudes
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.verification.reference import graph_values
from tests.lowering.whole_graphs import captured_function

OPS = (
    *("abs", "add", "amax", "amin", "argmax", "argmin", "argsort", "bucketize", "cat", "chunk", "clamp"),
    *("cumsum", "diff", "div.floor_rounding", "div.trunc_rounding", "expand", "flip", "floor_divide", "fmod", "gather"),
    *("index_put", "index_select", "kthvalue", "masked_fill", "max.binary", "max.reduction_with_dim", "maximum"),
    *("median", "mode", "mul", "neg", "permute", "remainder", "repeat", "roll", "rsub", "scatter", "sort", "stack"),
    *(
        "sub",
        "sum",
        "topk",
        "transpose",
        "unbind",
        "where",
        "masked_scatter",
        "slice_scatter",
        "tile",
        "nn.functional.pad",
    ),
)
EXTREMES = (-(2**31), 2**31 - 1, -(2**62), 2**62, -1, 0, 7)

KNOWN: dict[str, tuple[Callable[..., torch.Tensor], int]] = {
    "places": (lambda x: x.argmax(-1), 15),
    "places of the greatest": (lambda x: x.topk(2, -1)[1].transpose(0, 1), 15),
    "truth values": (lambda x: (x > 0).long() * 9, 9),
    "a sum of truth values": (lambda x: (x > 0).sum(1), 15),
    "between numbers": (lambda x: x.long().clamp(-3, 8), 8),
    "a rest": (lambda x: x.long() % 11, 11),
    "padded": (lambda x: functional.pad(x.argmax(-1), (1, 1), value=99), 99),
    "running counts": (lambda x: (x > 0).long().cumsum(-1), 15),
    "wrapped around": (lambda x: (x.argmax(-1) - 100).to(torch.uint8).long(), 255),
    "a difference": (lambda x: x.argmax(-1) - 100, 115),
}
GIVEN: dict[str, tuple[Callable[..., torch.Tensor], int]] = {
    "embedded": (lambda x: functional.embedding(x.flatten(), torch.ones(40, 2)), 40),
    "embedded behind others": (lambda x: functional.embedding(torch.cat([x, x], 1).t(), torch.ones(40, 2)), 40),
    "gathered": (lambda x: torch.arange(60.0).gather(0, x.flatten()), 60),
    "indexed": (lambda x: torch.arange(60.0)[x], 60),
}
UNKNOWN: dict[str, Callable[..., torch.Tensor]] = {
    "given": lambda x: x.t(),
    "cut from below": lambda x: x.clamp(min=3),
    "some of what is embedded": lambda x: functional.embedding(x[:, :1], torch.ones(40, 2)),
    "a product of what is given": lambda x: x * x,
}


@pytest.fixture(scope="module")
def cards() -> Mapping[str, Card]:
    return {card.op: card for card in open_registry().cards()}


def _samples(info: OpInfo) -> Iterator[tuple[Captured, Sequence[torch.Tensor]]]:
    for dtype in (torch.int16, torch.int64, torch.bool, torch.float32):
        if dtype not in info.supported_dtypes("cpu"):
            continue
        for call in calls(info, dtype, 2, 3):
            given = call.draws[Draw.SAMPLE]
            with suppress(InputError):
                yield capture(call.module, given, weights=True), given


def _extreme(given: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Whole numbers with the greatest that there are among them; the rest as it is."""
    made = []
    for x in given:
        numbers = torch.tensor(EXTREMES).repeat(1 + x.numel() // len(EXTREMES))[: x.numel()].reshape(x.shape)
        if not x.is_floating_point() and x.dtype is not torch.bool:
            ends = torch.iinfo(x.dtype)
            # PyTorch itself dies where the least of them is divided by -1.
            x = numbers.clamp(ends.min + 1, ends.max).to(x.dtype)
        made.append(x)
    return made


def _hold(captured: Captured, given: Sequence[torch.Tensor], cards: Mapping[str, Card]) -> int:
    """How many values are within what is said of them; none may be beyond."""
    bounds = magnitudes(captured.graph, cards)
    try:
        captured.module._get_method("forward")(*(x.clone() for x in given))
        values = graph_values(captured, list(bounds), given)
    except (RuntimeError, InputError, IndexError):
        # PyTorch refuses such numbers.
        return 0
    for value, tensor in values.items():
        if tensor.numel():
            assert int(tensor.to(torch.float64).abs().max()) <= bounds[value], captured.graph.values[value]
    return len(values)


INFOS = [info for info in infos() if info.formatted_name in {op.replace(".", "_") for op in OPS}]


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.formatted_name)
def test_no_sample_of_an_op_gives_greater_ones(info: OpInfo, cards: Mapping[str, Card]) -> None:
    held = 0
    for captured, given in _samples(info):
        held += _hold(captured, given, cards)
        held += _hold(captured, _extreme(given), cards)

    assert held


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_computed_is_known(name: str, cards: Mapping[str, Card]) -> None:
    function, greatest = KNOWN[name]
    captured = captured_function(function, [torch.randn(3, 5)])
    (output,) = captured.graph.body.outputs

    assert magnitudes(captured.graph, cards)[output] <= greatest
    assert _hold(captured, [torch.randn(3, 5) * 1e6], cards)


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_read_as_places_is_known(name: str, cards: Mapping[str, Card]) -> None:
    function, greatest = GIVEN[name]
    captured = captured_function(function, [torch.randint(20, (3, 5))])
    (given,) = captured.graph.body.inputs

    assert magnitudes(captured.graph, cards)[given] == greatest
    with pytest.raises((RuntimeError, IndexError)):
        function(torch.full((3, 5), greatest + 1))


@pytest.mark.parametrize("name", UNKNOWN)
def test_of_what_is_given_nothing_else_is_known(name: str, cards: Mapping[str, Card]) -> None:
    captured = captured_function(UNKNOWN[name], [torch.randint(20, (3, 5))])
    (given,) = captured.graph.body.inputs

    assert magnitudes(captured.graph, cards).get(given, GREATEST_IN_FLOATS + 1) > GREATEST_IN_FLOATS


def test_what_is_added_to_places_is_greater_than_what_is_put_there(cards: Mapping[str, Card]) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        places = torch.zeros(4, dtype=torch.int64)
        return places.index_put((torch.zeros(5, dtype=torch.int64),), x.argmax(-1), accumulate=True)

    captured = captured_function(function, [torch.randn(5, 9)])

    assert _hold(captured, [torch.randn(5, 9).sort(-1)[0]], cards)
