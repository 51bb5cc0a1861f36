"""Which layers have factors, and that what is divided, rounded and multiplied again stays within its bound."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from nnapi_check.analyzer.equalization import (
    NO_FACTORS,
    PARTS,
    Factors,
    equalized_bound,
    equalized_group,
    equalized_layers,
)
from nnapi_check.analyzer.graph import ElementType, Graph, PerChannel, PerTensor, Ref, TensorType
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.analyzer.scale_groups import rounding_bound, whole_group
from nnapi_check.coverage_db.bounds import Bound
from tests.analyzer.hand_made_graphs import Sketch

CHANNELS = 24
UNLIKE = tuple(0.001 * (1 + channel**2 / 4) for channel in range(CHANNELS))
ALIKE = (0.01,) * CHANNELS


def image(zero_point: int = 0, scale: float = 0.1) -> TensorType:
    return TensorType(ElementType.QUINT8, (1, CHANNELS, 9, 7), PerTensor(scale, zero_point))


def filters(scales: tuple[float, ...], inputs: int) -> TensorType:
    return TensorType(ElementType.QINT8, (len(scales), inputs, 1, 1), PerChannel(scales, (0,) * len(scales), 0))


def whole_bound(x: TensorType, weight: TensorType, made: TensorType) -> Bound:
    """That of weights that are rounded to the greatest scale."""
    assert isinstance(weight.quant, PerChannel)
    bound = rounding_bound((whole_group(weight.quant),), x, weight, made)
    assert bound is not None
    return bound


class Layers:
    """Convolutions one after the other, each with scales for its channels."""

    def __init__(self) -> None:
        self.sketch = Sketch()
        self.last = self.sketch.input(image(120, 0.02))

    def layer(
        self,
        scales: tuple[float, ...] = ALIKE,
        *,
        inputs: int = 3,
        groups: int = 1,
        op: str = "conv2d_relu",
        made: TensorType | None = None,
    ) -> int:
        weight = Ref(self.sketch.parameter(filters(scales, inputs)))
        kind = made or image()
        self.last = self.sketch.node(
            f"quantized.{op}.new", kind=kind, input=Ref(self.last), weight=weight, groups=groups
        )
        return self.sketch.nodes[-1].id

    def graph(self, *outputs: int) -> Graph:
        return self.sketch.graph(*outputs or (self.last,))

    def factors(self, *outputs: int) -> dict[int, Factors]:
        graph = self.graph(*outputs)
        return equalized_layers(graph, graph.body.nodes, Uses(graph).readers)


def test_channels_of_great_scales_are_divided_by_as_much_as_the_next_layer_multiplies_them_by() -> None:
    made = Layers()
    first, second = made.layer(UNLIKE), made.layer(inputs=1, groups=CHANNELS)

    found = made.factors()

    assert set(found) == {first, second}
    assert found[first].divided == found[second].multiplied
    assert found[first].multiplied == found[second].divided == ()
    assert list(found[first].divided) == sorted(found[first].divided)
    assert found[first].divided[0] == PARTS < found[first].divided[-1]


def test_a_layer_between_two_others_is_multiplied_and_divided() -> None:
    made = Layers()
    nodes = (
        made.layer(UNLIKE),
        *(made.layer(scales, inputs=1, groups=CHANNELS) for scales in ((0.3, *ALIKE[1:]), ALIKE)),
    )

    found = made.factors()

    assert set(found) == set(nodes)
    assert found[nodes[1]].multiplied == found[nodes[0]].divided
    assert found[nodes[2]].multiplied == found[nodes[1]].divided


def test_layers_of_like_scales_have_no_factors() -> None:
    made = Layers()
    made.layer(ALIKE)
    made.layer(inputs=1, groups=CHANNELS)

    assert made.factors() == {}


@pytest.mark.parametrize("op", ["conv2d", "conv2d_relu"])
@pytest.mark.parametrize("zero_point", [0, 3])
def test_what_may_be_below_zero_is_not_divided(op: str, zero_point: int) -> None:
    made = Layers()
    made.layer(UNLIKE, op=op, made=image(zero_point))
    made.layer(inputs=1, groups=CHANNELS)

    assert bool(made.factors()) is (op == "conv2d_relu" or zero_point == 0)


def test_what_is_read_elsewhere_or_is_an_output_is_not_divided() -> None:
    made = Layers()
    made.layer(UNLIKE)
    between = made.last
    made.layer(inputs=1, groups=CHANNELS)

    assert made.factors(made.last, between) == {}
    made.sketch.node("aten.relu", between)
    assert made.factors(made.last) == {}


def test_what_groups_of_channels_read_is_not_divided() -> None:
    made = Layers()
    made.layer(UNLIKE)
    made.layer(inputs=CHANNELS // 2, groups=2)

    assert made.factors() == {}


def test_no_product_of_scales_comes_to_be_above_the_outputs() -> None:
    made = Layers()
    made.layer(UNLIKE)
    made.layer(ALIKE, inputs=CHANNELS, made=image(scale=0.1 * 0.01 * 1.05))

    found = made.factors()

    assert all(max(factors.divided or factors.multiplied) <= 1.05 * PARTS for factors in found.values())


@pytest.mark.parametrize("taps", [9, 100])
def test_what_is_divided_and_multiplied_again_is_within_the_bound_and_as_far_off_as_it_says(taps: int) -> None:
    generator = np.random.default_rng(taps)
    scales = np.array(UNLIKE)
    stored = generator.integers(-128, 128, (CHANNELS, taps))
    inputs = 0.05 * generator.integers(0, 256, (taps, 500))
    factors = Factors(divided=tuple(max(PARTS, round(3 * PARTS * scale / scales[-1])) for scale in UNLIKE))
    weight = filters(UNLIKE, taps)
    x, made = image(0, 0.05), image(0, 0.4)
    assert isinstance(weight.quant, PerChannel)

    group = equalized_group(weight.quant, weight.shape, factors)
    bound = equalized_bound(whole_bound(x, weight, made), x, weight, made, factors)

    divisors = np.array(factors.divided)[:, None] / PARTS
    real = stored * scales[:, None]
    rounded = np.round(real / divisors / group.scale) * group.scale
    between = np.round(rounded @ inputs / 0.4)
    off = between * divisors - real @ inputs / 0.4
    assert group.scale < max(UNLIKE)
    assert np.abs(off).max() < bound.steps
    measured, expected = (sqrt(np.mean(off**2)), bound.deviation * sqrt(np.mean(inputs**2)) / bound.spread)
    # The greatest factor is taken for all.
    assert expected / 3 < measured < expected


def test_a_bound_without_factors_is_the_stated_one() -> None:
    weight = filters(UNLIKE, 27)
    stated = replace(whole_bound(image(), weight, image()), steps=40)

    assert equalized_bound(stated, image(), weight, image(), NO_FACTORS) == stated
