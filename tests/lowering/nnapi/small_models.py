"""Small NNAPI models, written close to how one says them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    QuantParams,
    Reference,
    Shape,
)

F32 = OperandType.TENSOR_FLOAT32
F16 = OperandType.TENSOR_FLOAT16
I32 = OperandType.TENSOR_INT32
Q8 = OperandType.TENSOR_QUANT8_ASYMM
Q8S = OperandType.TENSOR_QUANT8_ASYMM_SIGNED
PER_CHANNEL = OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL
Q16 = OperandType.TENSOR_QUANT16_ASYMM
Q16S = OperandType.TENSOR_QUANT16_SYMM
BOOL8 = OperandType.TENSOR_BOOL8


def quant(scale: float = 0.0, zero_point: int = 0) -> QuantParams:
    """Quantization parameters; none without arguments."""
    return QuantParams(scale, zero_point) if scale or zero_point else NOT_QUANTIZED


def given(kind: OperandType, shape: Shape, scale: float = 0.0, zero_point: int = 0) -> Operand:
    """A tensor that the caller gives."""
    return Operand(kind, shape, ModelInput(), quant(scale, zero_point))


def computed(kind: OperandType, shape: Shape, scale: float = 0.0, zero_point: int = 0) -> Operand:
    """A tensor that an operation gives."""
    return Operand(kind, shape, Computed(), quant(scale, zero_point))


def weights(kind: OperandType, shape: tuple[int, ...], scale: float = 0.0, zero_point: int = 0) -> Operand:
    """A constant tensor full of zeros."""
    size = ELEMENT_STRUCTS[kind].size
    for dim in shape:
        size *= dim
    return Operand(kind, shape, Immediate(bytes(size)), quant(scale, zero_point))


def per_channel(shape: tuple[int, ...], scales: Sequence[float], channel_dim: int) -> Operand:
    """A constant filter with a scale per channel."""
    return replace(weights(PER_CHANNEL, shape), channels=ChannelQuantParams(tuple(scales), channel_dim))


def ints(*values: int, shape: tuple[int, ...] | None = None) -> Operand:
    """A constant tensor of integers, of rank 1 unless a shape is given."""
    data = struct.pack(f"<{len(values)}i", *values)
    return Operand(I32, (len(values),) if shape is None else shape, Immediate(data))


def scalar(value: bool | int | float) -> Operand:
    """A constant BOOL, INT32 or FLOAT32 scalar."""
    if isinstance(value, bool):
        return Operand(OperandType.BOOL, (), Immediate(struct.pack("<?", value)))
    if isinstance(value, int):
        return Operand(OperandType.INT32, (), Immediate(struct.pack("<i", value)))
    return Operand(OperandType.FLOAT32, (), Immediate(struct.pack("<f", value)))


def half(value: float) -> Operand:
    """A constant FLOAT16 scalar."""
    return Operand(OperandType.FLOAT16, (), Immediate(struct.pack("<e", value)))


def nothing(kind: OperandType, shape: Shape) -> Operand:
    """An optional operand that is left out."""
    return Operand(kind, shape, NoValue())


def reference(model: int) -> Operand:
    """A reference to a model inside the main model."""
    return Operand(OperandType.MODEL, (), Reference(model))


def single(kind: str, inputs: Sequence[Operand], outputs: Sequence[Operand], referenced: Sequence[Model] = ()) -> Model:
    """A model of one operation, whose given operands are its inputs."""
    operands = (*inputs, *outputs)
    count = len(inputs)
    places = tuple(range(len(operands)))
    return Model(
        operands=operands,
        operations=(Operation(kind, places[:count], places[count:]),),
        inputs=tuple(place for place in places if isinstance(operands[place].source, ModelInput)),
        outputs=places[count:],
        referenced=tuple(referenced),
    )


def with_operand(model: Model, index: int, operand: Operand) -> Model:
    """The model with another operand at an index; inputs and outputs stay listed as they were."""
    return replace(model, operands=(*model.operands[:index], operand, *model.operands[index + 1 :]))


def with_inputs(model: Model, *operands: Operand) -> Model:
    """The single operation of a model with other inputs."""
    old = model.operations[0]
    return single(old.kind, operands, [model.operands[index] for index in old.outputs], model.referenced)


def with_input(model: Model, position: int, operand: Operand) -> Model:
    """The single operation of a model with another input at a position."""
    inputs = [model.operands[index] for index in model.operations[0].inputs]
    inputs[position] = operand
    return with_inputs(model, *inputs)


def with_output(model: Model, position: int, operand: Operand) -> Model:
    """The single operation of a model with another output at a position."""
    old = model.operations[0]
    outputs = [model.operands[index] for index in old.outputs]
    outputs[position] = operand
    return single(old.kind, [model.operands[index] for index in old.inputs], outputs, model.referenced)


def add(shape: Shape = (2, 3), kind: OperandType = F32) -> Model:
    """One ADD."""
    scale = 0.5 if kind in (Q8, Q8S) else 0.0
    operands = [given(kind, shape, scale), given(kind, shape, scale), scalar(0)]
    return single("ADD", operands, [computed(kind, shape, scale)])


def conv(
    *,
    image: Operand | None = None,
    kernel: Operand | None = None,
    bias: Operand | None = None,
    output: Operand | None = None,
    window: Sequence[int] = (1, 0, 2, 1, 1, 2, 0),
    extra: Sequence[Operand] = (),
) -> Model:
    """One CONV_2D of a 7 x 9 image with a 3 x 2 filter; window is left, right, top, bottom, strides, fuse code."""
    inputs = [
        image or given(F32, (1, 7, 9, 4)),
        kernel or weights(F32, (5, 3, 2, 4)),
        bias or weights(F32, (5,)),
        *(scalar(value) for value in window),
        *extra,
    ]
    return single("CONV_2D", inputs, [output or computed(F32, (1, 4, 9, 5))])


def quantized_conv(*, output_scale: float = 0.5, bias_scale: float = 0.125, filter_scale: float = 0.25) -> Model:
    """The same CONV_2D over TENSOR_QUANT8_ASYMM with input scale 0.5."""
    return conv(
        image=given(Q8, (1, 7, 9, 4), 0.5, 128),
        kernel=weights(Q8, (5, 3, 2, 4), filter_scale, 3),
        bias=weights(I32, (5,), bias_scale),
        output=computed(Q8, (1, 4, 9, 5), output_scale, 7),
    )


def channelwise_conv() -> Model:
    """The same CONV_2D with a scale for each output channel."""
    return conv(
        image=given(Q8, (1, 7, 9, 4), 0.5, 128),
        kernel=per_channel((5, 3, 2, 4), (0.1, 0.2, 0.3, 0.4, 0.5), 0),
        bias=weights(I32, (5,)),
        output=computed(Q8, (1, 4, 9, 5), 0.5, 7),
    )


def pool(kind: str = "MAX_POOL_2D", element: OperandType = F32) -> Model:
    """One pooling with a 2 x 3 window, explicitly padded."""
    scale = 0.5 if element in (Q8, Q8S) else 0.0
    numbers = (1, 1, 0, 1, 2, 1, 3, 2, 0)
    inputs = [given(element, (1, 7, 9, 4), scale), *(scalar(number) for number in numbers)]
    return single(kind, inputs, [computed(element, (1, 7, 5, 4), scale)])


def fully_connected(kind: OperandType = F32, output_scale: float = 0.5) -> Model:
    """Two rows of six numbers to five units."""
    is_quantized = kind in (Q8, Q8S)
    scale = 0.5 if is_quantized else 0.0
    bias = weights(I32, (5,), 0.125) if is_quantized else weights(kind, (5,))
    inputs = [given(kind, (2, 6), scale), weights(kind, (5, 6), scale / 2), bias, scalar(0)]
    return single("FULLY_CONNECTED", inputs, [computed(kind, (2, 5), output_scale if is_quantized else 0.0)])


def unary(
    kind: str, element: OperandType = F32, shape: Shape = (2, 3), scale: float = 0.0, zero_point: int = 0
) -> Model:
    """One operation of one tensor that keeps its shape."""
    own = 0.5 if element in (Q8, Q8S) else 0.0
    return single(kind, [given(element, shape, own)], [computed(element, shape, scale, zero_point)])


def branch(shape: Shape = (2, 3), kind: str = "RELU") -> Model:
    """A model to refer to: one operation of one tensor."""
    return unary(kind, shape=shape)


def conditional(then: Model | None = None, otherwise: Model | None = None) -> Model:
    """One IF over a tensor of shape [2, 3]."""
    inputs = [given(BOOL8, (1,)), reference(0), reference(1), given(F32, (2, 3))]
    models = (then or branch(), otherwise or branch(kind="TANH"))
    return single("IF", inputs, [computed(F32, (2, 3))], models)


def loop(condition: Model | None = None, body: Model | None = None) -> Model:
    """One WHILE whose state is a tensor of shape [1]."""
    ask = condition or single("LESS", [given(F32, (1,)), weights(F32, (1,))], [computed(BOOL8, (1,))])
    step = body or single("ADD", [given(F32, (1,)), weights(F32, (1,)), scalar(0)], [computed(F32, (1,))])
    return single("WHILE", [reference(0), reference(1), given(F32, (1,))], [computed(F32, (1,))], (ask, step))


def lstm(*, with_layer_norm: bool = False, coupled: bool = False) -> Model:
    """One LSTM step of batch 2, input 3, 4 cells and output 4, without peepholes and projection."""
    missing = nothing(F32, (4,))
    gate = nothing if coupled else weights
    inputs = [
        given(F32, (2, 3)),
        gate(F32, (4, 3)),
        *(weights(F32, (4, 3)) for _ in range(3)),
        gate(F32, (4, 4)),
        *(weights(F32, (4, 4)) for _ in range(3)),
        *(missing for _ in range(3)),
        gate(F32, (4,)),
        *(weights(F32, (4,)) for _ in range(3)),
        nothing(F32, (4, 4)),
        missing,
        given(F32, (2, 4)),
        given(F32, (2, 4)),
        scalar(4),
        scalar(0.0),
        scalar(0.0),
    ]
    if with_layer_norm:
        inputs += [gate(F32, (4,)), *(weights(F32, (4,)) for _ in range(3))]
    scratch = 12 if coupled else 16
    outputs = [computed(F32, (2, size)) for size in (scratch, 4, 4, 4)]
    return single("LSTM", inputs, outputs)
