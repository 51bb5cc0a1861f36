"""Every approximate way keeps its own bound: dense sweeps of its inputs against PyTorch in 64 bits."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import pytest
import torch
from torch.nn import functional

from nnapi_check.coverage_db.bounds import Bound, parse_bound
from nnapi_check.coverage_db.cards import Example, Way
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.verification.part_run import run_part
from tests.cards import cards
from tests.lowering.examples.test_modules import captured_example, judged, lowered_alone, verdict_by
from tests.tolerances import allowed_by

Function = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an op truly is, and the inputs that its approximate ways are tried on."""

    truth: Function
    inputs: tuple[torch.Tensor, ...]


def sizes(low: int, high: int) -> torch.Tensor:
    steps = torch.logspace(low, high, 10_000, dtype=torch.float64).float()
    return torch.cat([steps, -steps])


AROUND_ZERO = torch.cat([torch.linspace(-7, 7, 40_001), sizes(-30, 37)])
WITHIN_ONE = torch.cat([torch.linspace(-1, 1, 40_001), sizes(-30, 0), 1 - sizes(-7, -1).abs(), sizes(-7, -1).abs() - 1])
RIGHT_ANGLES = (torch.arange(-3800, 3800, dtype=torch.float64) * (pi / 2)).float()
FAR_ANGLES = torch.cat([torch.linspace(-6000, 6000, 40_001), RIGHT_ANGLES[RIGHT_ANGLES.abs() < 6000], sizes(-30, 3)])


def points() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    scales = [10.0 ** torch.randint(-30, 31, (40_000,), generator=generator) for _ in "yx"]
    y, x = (scale * torch.randn(40_000, generator=generator) for scale in scales)
    near = torch.randn(40_000, generator=generator)
    return torch.cat([y, near]), torch.cat([x, near * torch.linspace(-3, 3, 40_000)])


SWEEPS = {
    "aten.erf.default": Sweep(torch.erf, (AROUND_ZERO,)),
    "aten.erfc.default": Sweep(torch.erfc, (AROUND_ZERO,)),
    "aten.gelu.default": Sweep(functional.gelu, (AROUND_ZERO,)),
    "aten.atan.default": Sweep(torch.atan, (AROUND_ZERO,)),
    "aten.asin.default": Sweep(torch.asin, (WITHIN_ONE,)),
    "aten.acos.default": Sweep(torch.acos, (WITHIN_ONE,)),
    "aten.tan.default": Sweep(torch.tan, (FAR_ANGLES,)),
    "aten.atan2.default": Sweep(torch.atan2, points()),
}
APPROXIMATE = [
    (card.op, way, way.bound)
    for card in cards().values()
    for way in card.ways
    if way.bound is not None and not way.bound.steps
]
PARAMETERS = [pytest.param(op, way, bound, id=f"{op}-{way.name}") for op, way, bound in APPROXIMATE]
OF_OUTPUT = [
    parameters for parameters, (_, _, bound) in zip(PARAMETERS, APPROXIMATE, strict=True) if not bound.of_input
]
OF_INPUT = [parameters for parameters, (_, _, bound) in zip(PARAMETERS, APPROXIMATE, strict=True) if bound.of_input]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def computed(op: str, way: Way, example: Example, inputs: tuple[torch.Tensor, ...], registry: Registry) -> torch.Tensor:
    """What one way gives for inputs of the example's types."""
    card = registry.card(op)
    captured = captured_example(card, example)
    judgement, node = judged(captured, card, example, registry)
    lowered = lowered_alone(captured, node, verdict_by(way, node, judgement), registry)
    given = dict(zip(lowered.part.inputs, inputs, strict=True))
    (found,) = run_part(lowered, captured.graph, given, captured.tensor).outputs.values()
    return found


@pytest.mark.parametrize(("op", "way", "bound"), OF_OUTPUT)
def test_way_is_as_near_to_the_true_value_as_it_states_and_not_much_nearer(
    op: str, way: Way, bound: Bound, registry: Registry
) -> None:
    sweep = SWEEPS[op]
    assert bound.within is None or float(sweep.inputs[0].abs().max()) <= bound.within
    names = ("self", "other")[: len(sweep.inputs)]
    example = Example("sweep", tuple((name, f"f32[{len(sweep.inputs[0])}]") for name in names), ())

    found = computed(op, way, example, sweep.inputs, registry).double()

    true = sweep.truth(*(tensor.double() for tensor in sweep.inputs))
    share = (found - true).abs() / (allowed_by(bound, true) + torch.finfo(torch.float32).tiny)
    worst = int(share.argmax())
    where = [float(tensor[worst]) for tensor in sweep.inputs]
    assert float(share[worst]) <= 1, f"{float(found[worst])} at {where}, true is {float(true[worst])}"
    assert float(share[worst]) > 0.25, "the bound is no measure of the way: state a nearer one"


@pytest.mark.parametrize(("op", "way", "bound"), OF_INPUT)
@pytest.mark.parametrize(("power", "size"), [(1, 1.0), (3, 1.0), (1, 1e-3), (1, 1e-5)], ids=str)
def test_way_is_as_near_as_an_input_off_by_what_it_states(
    op: str, way: Way, bound: Bound, power: int, size: float, registry: Registry
) -> None:
    # PyTorch's own steps have a least size, which ranges below 1/64 meet.
    x = size * torch.randn(4000, 48, generator=torch.Generator().manual_seed(2)) ** power
    operands = (("input", "f32[4000,48]"), ("weight", "qint8(0.02,3)[7,48]!"), ("bias", "f32[7]!"))
    example = Example("sweep", operands, way.examples[0].args)
    captured = captured_example(registry.card(op), example)
    wanted = captured.module._get_method("forward")(x)
    (weight,) = [
        captured.tensor(value.id) for value in captured.graph.values if getattr(value.type, "shape", ()) == (7, 48)
    ]

    error = (computed(op, way, example, (x,), registry) - wanted).abs()

    half_step = (bound.of_input * (x.max() - x.min())).clamp_min(bound.least_of_input)
    reach = half_step * weight.dequantize().abs().sum(1)
    assert bool((error <= reach + 1e-5 * wanted.abs().max()).all())
    is_usual = half_step > bound.least_of_input
    assert not is_usual or bool((error > 0.15 * reach).any()), "the bound is no measure of the way: state a nearer one"


@pytest.mark.skipif("fbgemm" not in torch.backends.quantized.supported_engines, reason="needs the engine fbgemm")
def test_engines_that_round_the_input_to_7_bits_stay_within_the_bound_for_it() -> None:
    (bound,) = {bound for _, way, bound in APPROXIMATE if way.name == "in-floats-of-7-bits"}
    x = torch.randn(400, 16, generator=torch.Generator().manual_seed(3))
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        packed = torch.ops.quantized.linear_prepack(torch.quantize_per_tensor(torch.eye(16), 1 / 64, 0, torch.qint8))
        error = (torch.ops.quantized.linear_dynamic(x, packed, reduce_range=True) - x).abs().max()
    finally:
        torch.backends.quantized.engine = before

    assert 0.5 < float(error / (bound.of_input * (x.max() - x.min()))) <= 1


ROUNDING = [(card.op, way, way.rounding) for card in cards().values() for way in card.ways if way.rounding]
NEAR_ZERO = torch.cat([torch.linspace(-0.5, 0.5, 20_001), torch.linspace(-1e-3, 1e-3, 20_001)])
WIDEST: dict[str, dict[str, float]] = {
    "aten.hardtanh.default": {"min_val": -64.0, "max_val": 1.0},
    "aten.clamp.default/scaled": {"min": -64.0, "max": 1.0},
    "aten.clamp.default/shifted": {"min": -64.0},
    "aten.clamp.default/mirrored": {"max": 64.0},
    "aten.clamp_min.default": {"min": -64.0},
    "aten.clamp_max.default": {"max": 64.0},
}
"""The arguments with the greatest numbers inside, for ops whose rounding hangs on them."""
ZEROS = {"aten.cos.default": pi / 2}
"""Where an op is zero, if not at zero."""


@pytest.mark.parametrize(
    ("op", "way", "rounding"), [pytest.param(*row, id=f"{row[0]}-{row[1].name}") for row in ROUNDING]
)
def test_way_rounds_small_results_by_no_more_than_it_states(
    op: str, way: Way, rounding: float, registry: Registry
) -> None:
    args = WIDEST.get(f"{op}/{way.name}", WIDEST.get(op, {}))
    example = Example("sweep", (("self", f"f32[{len(NEAR_ZERO)}]"),), tuple(args.items()))
    truth = captured_example(registry.card(op), example).module._get_method("forward")

    x = NEAR_ZERO + ZEROS.get(op, 0.0)
    error = (computed(op, way, example, (x,), registry) - truth(x)).abs()

    assert float(error.max()) <= rounding
    assert float(error.max()) > 0.25 * rounding


def test_every_approximate_way_is_swept() -> None:
    assert {op for op, _, bound in APPROXIMATE if not bound.of_input} == set(SWEEPS)
    assert OF_INPUT


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (Bound(absolute=4e-7), "At most 4e-07 from the true value."),
        (Bound(absolute=1e-6, relative=2e-7), "At most 1e-06 and 2e-07 of it from the true value."),
        (
            Bound(relative=3e-7, within=6000.0, note="It grows."),
            "At most 3e-07 of it from the true value, where the input is between -6000 and 6000. It grows.",
        ),
        (Bound(of_input=0.002), "As if each element of the input were off by at most 0.002 of the input's range."),
        (
            Bound(of_input=0.002, least_of_input=1e-4),
            "As if each element of the input were off by at most 0.002 of the input's range, or 0.0001 where that is "
            "more.",
        ),
    ],
)
def test_bound_is_told_in_words(bound: Bound, words: str) -> None:
    assert bound.words == words


@pytest.mark.parametrize(
    "raw",
    [
        "1 %",
        {},
        {"within": 3},
        {"absolute": 0},
        {"relative": -1.0},
        {"absolute": True},
        {"absolute": 1, "of": 2},
        {"absolute": 1, "least_of_input": 1},
    ],
)
def test_what_states_no_error_is_no_bound(raw: object) -> None:
    with pytest.raises(CardError):
        parse_bound(raw, "a card")
