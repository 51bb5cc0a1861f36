"""Operands by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    ChannelQuantParams,
    Immediate,
    Model,
    Operand,
    QuantParams,
    Shape,
)
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.small_models import (
    F16,
    F32,
    I32,
    PER_CHANNEL,
    Q8,
    Q8S,
    Q16,
    Q16S,
    add,
    channelwise_conv,
    computed,
    conv,
    given,
    per_channel,
    scalar,
    single,
    unary,
    weights,
    with_input,
    with_operand,
)

FACTS = load_operations()

Q8_SYMM = OperandType.TENSOR_QUANT8_SYMM


def rules(model: Model) -> list[Rule]:
    return [fault.rule for fault in validate(model, FACTS).faults]


def ranked(kind: OperandType, scale: float, zero_point: int) -> Model:
    """RANK takes tensors of nearly every type, whatever their quantization."""
    return single(
        "RANK", [given(kind, (2, 3), scale, zero_point)], [replace(scalar(0), source=computed(F32, ()).source)]
    )


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point"),
    [
        (F32, 0.0, 0),
        (F16, 0.0, 0),
        (I32, 0.0, 0),
        (I32, 0.25, 0),
        (Q8, 0.5, 255),
        (Q8S, 0.5, -128),
        (Q16, 0.5, 65535),
        (Q16S, 0.5, 0),
        (Q8_SYMM, 0.5, 0),
    ],
)
def test_accepts_quantization_parameters_that_the_type_has(kind: OperandType, scale: float, zero_point: int) -> None:
    assert rules(ranked(kind, scale, zero_point)) == []


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point", "rule"),
    [
        (F32, 0.5, 0, Rule.SCALE),
        (F32, 0.0, 1, Rule.ZERO_POINT),
        (F16, 0.5, 0, Rule.SCALE),
        (I32, -0.5, 0, Rule.SCALE),
        (I32, 0.5, 1, Rule.ZERO_POINT),
        (Q8, 0.0, 0, Rule.SCALE),
        (Q8, -0.5, 0, Rule.SCALE),
        (Q8, float("nan"), 0, Rule.SCALE),
        (Q8, 0.5, 256, Rule.ZERO_POINT),
        (Q8, 0.5, -1, Rule.ZERO_POINT),
        (Q8S, 0.5, 128, Rule.ZERO_POINT),
        (Q8S, 0.5, -129, Rule.ZERO_POINT),
        (Q16, 0.5, -128, Rule.ZERO_POINT),
        (Q16, 0.5, 65536, Rule.ZERO_POINT),
        (Q16S, 0.5, 1, Rule.ZERO_POINT),
        (Q16S, 0.0, 0, Rule.SCALE),
        (Q8_SYMM, 0.5, 1, Rule.ZERO_POINT),
        (Q8_SYMM, 0.0, 0, Rule.SCALE),
    ],
)
def test_rejects_quantization_parameters_that_the_type_has_not(
    kind: OperandType, scale: float, zero_point: int, rule: Rule
) -> None:
    assert rules(ranked(kind, scale, zero_point)) == [rule]


@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        ((), Rule.DIMENSION),
        ((2, 0), Rule.DIMENSION),
        ((2, -1), Rule.DIMENSION),
        ((2, 1 << 32), Rule.DIMENSION),
        ((1 << 16, 1 << 14), Rule.OPERAND_SIZE),
    ],
)
def test_rejects_shapes_that_no_tensor_can_have(shape: Shape, rule: Rule) -> None:
    assert rules(unary("ABS", shape=shape)) == [rule, rule]


def test_accepts_a_tensor_of_the_largest_size() -> None:
    element = OperandType.TENSOR_QUANT8_ASYMM
    largest, larger = (unary("RELU", element, (65_535, size), scale=0.5) for size in (65_537, 65_538))

    assert rules(largest) == []
    assert rules(larger) == [Rule.OPERAND_SIZE, Rule.OPERAND_SIZE]


@pytest.mark.parametrize("shape", [UNKNOWN_RANK, (UNSPECIFIED, 3), (UNSPECIFIED,), ((1 << 16) - 1, 1 << 14)])
def test_accepts_shapes_that_are_not_known_yet(shape: Shape) -> None:
    assert rules(unary("ABS", shape=shape)) == []


def test_rejects_a_scalar_with_dimensions() -> None:
    operand = Operand(OperandType.INT32, (1,), Immediate(bytes(4)))

    assert Rule.DIMENSION in rules(with_operand(add(), 2, operand))


@pytest.mark.parametrize("shape", [UNKNOWN_RANK, (2, UNSPECIFIED)])
def test_rejects_a_constant_whose_shape_is_not_known(shape: Shape) -> None:
    operand = replace(weights(F32, (2, 3)), shape=shape)

    assert rules(with_input(add(), 1, operand)) == [Rule.DIMENSION]


@pytest.mark.parametrize("size", [0, 23, 25, 48])
def test_rejects_a_constant_of_another_size_than_its_shape(size: int) -> None:
    operand = replace(weights(F32, (2, 3)), source=Immediate(bytes(size)))

    assert rules(with_input(add(), 1, operand)) == [Rule.CONSTANT_SIZE]


def test_rejects_a_scalar_constant_of_another_size_than_its_type() -> None:
    operand = Operand(OperandType.INT32, (), Immediate(bytes(1)))

    assert rules(with_input(add(), 2, operand)) == [Rule.CONSTANT_SIZE]


def test_accepts_a_scale_for_each_channel() -> None:
    assert rules(channelwise_conv()) == []


@pytest.mark.parametrize(
    "channels",
    [
        None,
        ChannelQuantParams((0.1, 0.2, 0.3, 0.4), 0),
        ChannelQuantParams((0.1, 0.2, 0.3, 0.4, 0.0), 0),
        ChannelQuantParams((0.1, 0.2, 0.3, 0.4, -0.5), 0),
        ChannelQuantParams((0.1, 0.2, 0.3, 0.4, 0.5), 4),
        ChannelQuantParams((0.1, 0.2, 0.3, 0.4, 0.5), -4),
    ],
)
def test_rejects_scales_per_channel_that_do_not_fit_the_tensor(channels: ChannelQuantParams | None) -> None:
    operand = replace(weights(PER_CHANNEL, (5, 3, 2, 4)), channels=channels)

    assert set(rules(with_input(channelwise_conv(), 1, operand))) == {Rule.CHANNEL_QUANTIZATION}


def test_rejects_one_scale_beside_those_per_channel() -> None:
    operand = replace(per_channel((5, 3, 2, 4), (0.1,) * 5, 0), quant=QuantParams(0.5, 0))

    assert rules(with_input(channelwise_conv(), 1, operand)) == [Rule.SCALE]


def test_rejects_scales_per_channel_of_a_type_without() -> None:
    kernel = replace(weights(F32, (5, 3, 2, 4)), channels=ChannelQuantParams((0.1,) * 5, 0))

    assert rules(conv(kernel=kernel)) == [Rule.CHANNEL_QUANTIZATION]
