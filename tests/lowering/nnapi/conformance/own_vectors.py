"""Conformance vectors of the project's own making: ``python -m tests.lowering.nnapi.conformance.own_vectors``
writes ``own_vectors.jsonl``.

No code of the project is used. What is expected comes from PyTorch's functions in 64 bits, whose order of dimensions is
changed to NNAPI's, and from the formulas of the NDK's ``NeuralNetworksTypes.h``, written out in whole numbers and
fractions: where PyTorch has no such function, and for everything quantized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import torch
from torch.nn import functional

from tests.lowering.nnapi.conformance.row_text import (
    Call,
    RowOperand,
    between,
    constant,
    given,
    int32s,
    reference,
    row,
    scalar,
    scalars,
    wanted,
)

PATH = Path(__file__).parent / "own_vectors.jsonl"
HALF, INT32, BOOL8 = "TENSOR_FLOAT16", "TENSOR_INT32", "TENSOR_BOOL8"
QUANT8, SIGNED8 = "TENSOR_QUANT8_ASYMM", "TENSOR_QUANT8_ASYMM_SIGNED"
NONE, RELU, RELU1, RELU6 = range(4)
SAME = 1


def numbers(*shape: int, start: int = 0) -> torch.Tensor:
    """Quarters between -5/4 and 5/4 in no order: sums and products of them are exact."""
    count = torch.Size(shape).numel()
    return ((torch.arange(start, start + count) * 7 + 3) % 11 - 5).double().reshape(shape) / 4


def whole(*shape: int, below: int = 256, step: int = 37) -> torch.Tensor:
    """Whole numbers from 0 in no order, as quantized tensors store them."""
    return (torch.arange(torch.Size(shape).numel()) * step + 11).reshape(shape) % below


def nhwc(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1)


def stored(real: Fraction, scale: Fraction, zero_point: int, low: int, high: int) -> int:
    """The nearest stored number: no real number of these rows lies halfway between two."""
    steps = real / scale + zero_point
    assert (2 * steps).denominator != 1 or steps.denominator == 1, f"{real} lies halfway"
    return min(max(round(steps), low), high)


def requantized(reals: Sequence[Fraction], shape: Sequence[int], scale: float, zero_point: int) -> torch.Tensor:
    found = [stored(real, Fraction(scale), zero_point, 0, 255) for real in reals]
    return torch.tensor(found).reshape(tuple(shape))


def one(
    kind: str, version: str | None, inputs: Sequence[RowOperand], outputs: Sequence[RowOperand], name: str = ""
) -> str:
    """A row of one operation."""
    return row(name or kind.lower(), version, [Call(kind, inputs, outputs)])


def arithmetic() -> Iterator[str]:
    x, y = numbers(2, 3), numbers(3, start=5)
    yield one("ADD", "V1_0", [given(x), constant(y), scalar(NONE)], [wanted(x + y)], "add_broadcast")
    yield one("SUB", "V1_1", [given(x), given(y), scalar(RELU)], [wanted((x - y).relu())], "sub_relu")
    yield one("MUL", "V1_0", [given(x * 8), given(y), scalar(RELU6)], [wanted((x * 8 * y).clamp(0, 6))], "mul_relu6")
    yield one("DIV", "V1_1", [given(x), constant(y + 2), scalar(RELU1)], [wanted((x / (y + 2)).clamp(-1, 1))])
    yield one("POW", "V1_2", [given(x.abs() + 0.25), given(y)], [wanted((x.abs() + 0.25) ** y)])
    yield one("PRELU", "V1_2", [given(x), constant(y)], [wanted(torch.where(x > 0, x, x * y))])
    yield one("MAXIMUM", None, [given(x), given(y)], [wanted(torch.maximum(x, y))], "maximum_without_declared_version")
    halves = [given(x, HALF), given(y, HALF), scalar(NONE)]
    yield one("ADD", "V1_2", halves, [wanted(x + y, HALF)], "add_float16")
    whole_numbers = [given(whole(2, 3) - 100, INT32), given(whole(3), INT32), scalar(NONE)]
    yield one("MUL", "V1_3", whole_numbers, [wanted((whole(2, 3) - 100) * whole(3), INT32)], "mul_int32")
    middle, doubled = between((2, 3)), between((2, 3))
    chain = [
        Call("LOGISTIC", [given(x)], [middle]),
        Call("ADD", [middle, middle, scalar(NONE)], [doubled]),
        Call("TANH", [doubled], [wanted((2 * x.sigmoid()).tanh())]),
    ]
    yield row("chain_of_activations", "V1_0", chain)
    scaled = Call("MUL", [given(x), given(y), scalar(NONE)], [wanted(x * y)])
    yield row("mul_relaxed", "V1_1", [scaled], relaxed=True)
    for kind, function in {"EXP": torch.exp, "SIN": torch.sin, "ABS": torch.abs, "NEG": torch.neg}.items():
        yield one(kind, "V1_2", [given(x)], [wanted(function(x))])
    for kind, function in {"LOG": torch.log, "SQRT": torch.sqrt, "RSQRT": torch.rsqrt}.items():
        yield one(kind, "V1_2", [given(x + 2)], [wanted(function(x + 2))])
    yield one("FLOOR", "V1_0", [given(x)], [wanted(x.floor())])
    yield one("ELU", "V1_3", [given(x), scalar(0.5)], [wanted(functional.elu(x, 0.5))])
    yield one("HARD_SWISH", "V1_3", [given(x * 4)], [wanted(functional.hardswish(x * 4))])
    yield one("CAST", "V1_2", [given(x * 3)], [wanted((x * 3).trunc(), INT32)], "cast_truncates")


def images() -> Iterator[str]:
    x, filters, bias = numbers(1, 3, 5, 4), numbers(2, 3, 3, 2, start=4), numbers(2, start=1)
    padded = functional.pad(x, (1, 0, 2, 1))
    found = functional.conv2d(padded, filters, bias, stride=(1, 2))
    explicit = [*scalars(1, 0, 2, 1), *scalars(2, 1), scalar(RELU)]
    operands = [given(nhwc(x)), constant(nhwc(filters)), constant(bias), *explicit]
    yield one("CONV_2D", "V1_0", operands, [wanted(nhwc(found).relu())], "conv_2d_explicit_padding")
    found = functional.conv2d(x, filters, bias, dilation=(1, 2))
    dilated = [*scalars(0, 0, 0, 0, 1, 1, NONE, True), *scalars(2, 1)]
    operands = [given(x), constant(nhwc(filters)), constant(bias), *dilated]
    yield one("CONV_2D", "V1_2", operands, [wanted(found)], "conv_2d_dilated_nchw")
    per_channel = numbers(6, 1, 3, 3, start=2)
    found = functional.conv2d(x, per_channel, numbers(6), padding=1, groups=3)
    depthwise = [given(nhwc(x)), constant(per_channel.permute(1, 2, 3, 0)), constant(numbers(6))]
    operands = [*depthwise, *scalars(SAME, 1, 1, 2, NONE)]
    yield one("DEPTHWISE_CONV_2D", "V1_0", operands, [wanted(nhwc(found))], "depthwise_conv_2d_same_padding")
    x4, grouped = numbers(1, 4, 5, 3), numbers(2, 2, 2, 3, start=3)
    found = functional.conv2d(x4, grouped, bias, groups=2)
    operands = [given(nhwc(x4)), constant(nhwc(grouped)), constant(bias), *scalars(0, 0, 0, 0, 1, 1, 2, NONE, False)]
    yield one("GROUPED_CONV_2D", "V1_2", operands, [wanted(nhwc(found))])
    # PyTorch's filter is [in, out, height, width], NNAPI's [out, height, width, in].
    found = functional.conv_transpose2d(x, filters.transpose(0, 1), bias, stride=(2, 3))
    operands = [given(nhwc(x)), constant(nhwc(filters)), constant(bias), *scalars(0, 0, 0, 0, 3, 2, NONE, False)]
    yield one("TRANSPOSE_CONV_2D", "V1_2", operands, [wanted(nhwc(found))])
    windows = [*scalars(1, 1, 0, 0), *scalars(2, 1), *scalars(3, 2), scalar(NONE)]
    cells = functional.pad(torch.ones_like(x), (1, 1)).unfold(2, 2, 1).unfold(3, 3, 2).sum((4, 5))
    in_windows = functional.pad(x, (1, 1)).unfold(2, 2, 1).unfold(3, 3, 2)
    found = in_windows.sum((4, 5)) / cells
    yield one("AVERAGE_POOL_2D", "V1_0", [given(nhwc(x)), *windows], [wanted(nhwc(found))])
    found = functional.max_pool2d(x - 2, (2, 3), (1, 2), (0, 1))
    yield one("MAX_POOL_2D", "V1_0", [given(nhwc(x - 2)), *windows], [wanted(nhwc(found))])
    found = (in_windows.pow(2).sum((4, 5)) / cells).sqrt()
    yield one("L2_POOL_2D", "V1_0", [given(nhwc(x)), *windows], [wanted(nhwc(found))])
    for name, corners in {"half_pixels": False, "align_corners": True}.items():
        found = functional.interpolate(x, (7, 3), mode="bilinear", align_corners=corners)
        operands = [given(nhwc(x)), *scalars(3, 7, False, corners, not corners)]
        yield one("RESIZE_BILINEAR", "V1_3", operands, [wanted(nhwc(found))], f"resize_bilinear_{name}")
    found = functional.interpolate(x, (7, 3), mode="nearest")
    yield one("RESIZE_NEAREST_NEIGHBOR", "V1_2", [given(x), *scalars(3, 7, True)], [wanted(found)])
    squares = x.pow(2)
    near = torch.stack([squares[:, max(c - 1, 0) : c + 2].sum(1) for c in range(3)], 1)
    operands = [given(nhwc(x)), scalar(1), *scalars(1.5, 0.5, 0.75)]
    yield one("LOCAL_RESPONSE_NORMALIZATION", "V1_0", operands, [wanted(nhwc(x / (1.5 + 0.5 * near) ** 0.75))])
    found = functional.instance_norm(x, eps=1e-3) * 0.5 + 2
    yield one("INSTANCE_NORMALIZATION", "V1_2", [given(x), *scalars(0.5, 2.0, 1e-3, True)], [wanted(found)])
    found = functional.normalize(x, dim=1)
    yield one("L2_NORMALIZATION", "V1_0", [given(nhwc(x))], [wanted(nhwc(found))])
    deep = numbers(1, 8, 2, 3)
    by_block = deep.reshape(1, 2, 2, 2, 2, 3).permute(0, 4, 1, 5, 2, 3).reshape(1, 4, 6, 2)
    yield one("DEPTH_TO_SPACE", "V1_0", [given(nhwc(deep)), scalar(2)], [wanted(by_block)])
    yield one("SPACE_TO_DEPTH", "V1_0", [given(by_block), scalar(2)], [wanted(nhwc(deep))])
    found = deep.reshape(1, 2, 4, 2, 3).transpose(1, 2).reshape(1, 8, 2, 3)
    yield one("CHANNEL_SHUFFLE", "V1_2", [given(deep), scalar(2), scalar(1)], [wanted(found)])


def products_and_sequences() -> Iterator[str]:
    x, weights, bias = numbers(2, 5), numbers(3, 5, start=6), numbers(3)
    operands = [given(x), constant(weights), constant(bias), scalar(NONE)]
    yield one("FULLY_CONNECTED", "V1_0", operands, [wanted(functional.linear(x, weights, bias))])
    left, right = numbers(2, 3, 4), numbers(2, 5, 4, start=8)
    operands = [given(left), given(right), *scalars(False, True)]
    yield one("BATCH_MATMUL", "AIDL_V2", operands, [wanted(left @ right.mT)])
    yield one("SOFTMAX", "V1_0", [given(x), scalar(0.5)], [wanted((x * 0.5).softmax(1))], "softmax_beta")
    yield one("LOG_SOFTMAX", "V1_2", [given(left), scalar(1.0), scalar(1)], [wanted(left.log_softmax(1))])
    own, state = numbers(3, 3, start=2), numbers(2, 3, start=9)
    found = (x @ weights.T + state @ own.T + bias).relu()
    operands = [given(x), constant(weights), constant(own), constant(bias), given(state), scalar(RELU)]
    yield one("RNN", "V1_0", operands, [wanted(found), wanted(found)])
    table = numbers(4, 2, 3)
    rows = torch.tensor([3, 0, 3])
    yield one("EMBEDDING_LOOKUP", "V1_0", [given(rows, INT32), constant(table)], [wanted(table[rows])])
    keys, sought = torch.tensor([2, 5, 7, 9]), torch.tensor([7, 4, 2])
    found = torch.stack([table[2], torch.zeros(2, 3), table[0]])
    hits = wanted(torch.tensor([1, 0, 1]), QUANT8, 1.0, 0)
    operands = [given(sought, INT32), constant(keys, INT32), constant(table)]
    yield one("HASHTABLE_LOOKUP", "V1_0", operands, [wanted(found), hits])


def moves_and_choices() -> Iterator[str]:
    x, y = numbers(2, 3, 4), numbers(2, 3, 4, start=6)
    yield one("RESHAPE", "V1_0", [given(x), int32s(4, -1)], [wanted(x.reshape(4, 6))])
    yield one("TRANSPOSE", "V1_1", [given(x), int32s(2, 0, 1)], [wanted(x.permute(2, 0, 1))])
    pads = int32s(0, 1, 2, 0, 1, 1, dims=(3, 2))
    yield one("PAD", "V1_1", [given(x), pads], [wanted(functional.pad(x, (1, 1, 2, 0, 0, 1)))])
    found = functional.pad(x, (1, 1, 2, 0, 0, 1), value=-2.5)
    yield one("PAD_V2", "V1_2", [given(x), pads, scalar(-2.5)], [wanted(found)])
    pads = int32s(0, 0, 0, 0, 2, 1, dims=(3, 2))
    yield one("MIRROR_PAD", "AIDL_V3", [given(x), pads, scalar(0)], [wanted(functional.pad(x, (2, 1), "reflect"))])
    yield one("REVERSE", "AIDL_V3", [given(x), int32s(1)], [wanted(x.flip(1))])
    yield one("CONCATENATION", "V1_0", [given(x), given(y), scalar(1)], [wanted(torch.cat([x, y], 1))])
    yield one("PACK", "AIDL_V2", [scalar(1), given(x), given(y)], [wanted(torch.stack([x, y], 1))])
    halves = [wanted(part) for part in x.chunk(2, 2)]
    yield one("SPLIT", "V1_2", [given(x), scalar(2), scalar(2)], halves)
    # The end of axis 0 is masked, axis 1 runs backward from its masked begin, and axis 2 is dropped.
    slices = [int32s(1, 9, 2), int32s(0, -4, 3), int32s(1, -2, 1), *scalars(0b010, 0b001, 0b100)]
    yield one("STRIDED_SLICE", "V1_1", [given(x), *slices], [wanted(x[1:, [2, 0], 2])])
    yield one("SLICE", "V1_2", [given(x), int32s(0, 1, 2), int32s(2, 2, -1)], [wanted(x[:, 1:, 2:])])
    yield one("TILE", "V1_2", [given(x), int32s(1, 2, 3)], [wanted(x.repeat(1, 2, 3))])
    yield one("EXPAND_DIMS", "V1_2", [given(x), scalar(-2)], [wanted(x.unsqueeze(-2))])
    yield one("FILL", "V1_3", [given(torch.tensor([3, 2]), INT32), scalar(0.75)], [wanted(torch.full((3, 2), 0.75))])
    yield one("MEAN", "V1_1", [given(x), int32s(0, 2), scalar(1)], [wanted(x.mean((0, 2), keepdim=True))])
    yield one("REDUCE_SUM", "V1_2", [given(x), int32s(-1), scalar(False)], [wanted(x.sum(-1))])
    yield one("REDUCE_MAX", "V1_2", [given(x), int32s(1), scalar(False)], [wanted(x.amax(1))])
    distinct = numbers(2, 11)
    yield one("ARGMAX", "V1_2", [given(distinct), scalar(1)], [wanted(distinct.argmax(1), INT32)])
    values, places = distinct.topk(3)
    yield one("TOPK_V2", "V1_2", [given(distinct), scalar(3)], [wanted(values), wanted(places, INT32)])
    picked = given(torch.tensor([2, 0, 2, 1]), INT32)
    gather = Call("GATHER", [given(x), scalar(1), picked], [wanted(x[:, [2, 0, 2, 1]])])
    yield row("gather_and_an_index_beyond_the_end", "V1_2", [gather], failing=[{2: [2, 0, 3, 1]}])
    yield one("LESS", "V1_2", [given(x), given(y)], [wanted(x < y, BOOL8)])
    yield one("SELECT", "V1_2", [given(x > y, BOOL8), given(x), given(y)], [wanted(torch.maximum(x, y))])
    yield one("LOGICAL_AND", "V1_2", [given(x > 0, BOOL8), given(y > 0, BOOL8)], [wanted((x > 0) & (y > 0), BOOL8)])


def quantized() -> Iterator[str]:
    a, b = whole(2, 5), whole(5, step=53)
    reals = [Fraction(int(p) - 3, 2) + Fraction(int(q) - 7, 4) for p, q in zip(a.flatten(), b.repeat(2), strict=True)]
    operands = [given(a, QUANT8, 0.5, 3), given(b, QUANT8, 0.25, 7), scalar(NONE)]
    yield one("ADD", "V1_0", operands, [wanted(requantized(reals, (2, 5), 0.75, 20), QUANT8, 0.75, 20)], "add_quant8")
    weights, bias = whole(3, 5, step=29), whole(3, step=91) - 60
    sums = (a - 3).double() @ (weights - 128).double().T + bias
    reals = [Fraction(int(number), 2 * 64) for number in sums.flatten()]
    operands = [
        given(a, QUANT8, 0.5, 3),
        constant(weights, QUANT8, 1 / 64, 128),
        constant(bias, INT32, 1 / 128, 0),
        scalar(NONE),
    ]
    found = wanted(requantized(reals, (2, 3), 1.75, 101), QUANT8, 1.75, 101)
    yield one("FULLY_CONNECTED", "V1_0", operands, [found], "fully_connected_quant8")
    image, filters = whole(1, 3, 4, 2), whole(3, 2, 2, 2, below=255, step=41) - 127
    # Each output channel has a scale of its own: 1/64, 1/32 and 1/128. The input's is 1/2.
    sums = nhwc(functional.conv2d((image - 9).permute(0, 3, 1, 2).double(), filters.permute(0, 3, 1, 2).double()))
    reals = [Fraction(int(number), (128, 64, 256)[place % 3]) for place, number in enumerate(sums.flatten())]
    operands = [
        given(image, QUANT8, 0.5, 9),
        constant(filters, "TENSOR_QUANT8_SYMM_PER_CHANNEL", channels=[1 / 64, 1 / 32, 1 / 128]),
        constant(torch.zeros(3), INT32),
        *scalars(0, 0, 0, 0, 1, 1, NONE),
    ]
    found = wanted(requantized(reals, sums.shape, 3.0, 120), QUANT8, 3.0, 120)
    yield one("CONV_2D", "V1_2", operands, [found], "conv_2d_quant8_per_channel")
    found = wanted((a - 3) / 2)
    yield one("DEQUANTIZE", "V1_0", [given(a, QUANT8, 0.5, 3)], [found])
    reals = [Fraction(float(number)) for number in numbers(2, 5).flatten() * 100]
    yield one(
        "QUANTIZE",
        "V1_2",
        [given(numbers(2, 5) * 100)],
        [wanted(requantized(reals, (2, 5), 0.75, 120), QUANT8, 0.75, 120)],
    )
    pooled = functional.max_pool2d(image.permute(0, 3, 1, 2).double(), (2, 3), 1)
    operands = [given(image, QUANT8, 0.5, 9), *scalars(0, 0, 0, 0), *scalars(1, 1), *scalars(3, 2), scalar(NONE)]
    yield one("MAX_POOL_2D", "V1_0", operands, [wanted(nhwc(pooled), QUANT8, 0.5, 9)], "max_pool_2d_quant8")
    signed = whole(2, 5) - 128
    operands = [given(signed, SIGNED8, 0.5, -4), scalar(0)]
    yield one("ARGMIN", "V1_3", operands, [wanted(signed.argmin(0), INT32)], "argmin_quant8_signed")
    reals = [Fraction(int(number) - 3, 2) for number in a.flatten()] + [Fraction(int(n) - 7, 4) for n in b]
    operands = [given(a, QUANT8, 0.5, 3), given(b.reshape(1, 5), QUANT8, 0.25, 7), scalar(0)]
    found = wanted(requantized(reals, (3, 5), 0.625, 5), QUANT8, 0.625, 5)
    yield one("CONCATENATION", "V1_2", operands, [found], "concatenation_quant8_of_two_scales")


def control_flow_and_failures() -> Iterator[str]:
    x = numbers(3)
    branch_then = [Call("ADD", [given(x), constant(torch.tensor([2.0])), scalar(NONE)], [wanted(x)])]
    branch_else = [Call("MUL", [given(x), constant(torch.tensor([-4.0])), scalar(NONE)], [wanted(x)])]
    choice = Call("IF", [given(torch.tensor([True]), BOOL8), reference(0), reference(1), given(x)], [wanted(x + 2)])
    other = {0: [False], 4: (x * -4).tolist()}
    yield row("if_then_and_else", "V1_3", [choice], inside=[branch_then, branch_else], passing=[other])
    few = torch.tensor([0.75])
    state, grown = given(few), given(few)
    condition = [Call("LESS", [state, constant(torch.tensor([5.0]))], [wanted(few > 0, BOOL8)])]
    body = [Call("ADD", [grown, grown, scalar(NONE)], [wanted(few)])]
    loop = Call("WHILE", [reference(0), reference(1), given(few)], [wanted(few * 8)])
    yield row("while_below_five_doubles", "V1_3", [loop], inside=[condition, body], passing=[{2: [8.0], 3: [8.0]}])
    wrong = Call("RESHAPE", [given(x), int32s(2, 2)], [wanted(torch.zeros(2, 2))])
    yield row("reshape_to_more_elements", "V1_0", [wrong], only_failing=True)
    wrong = Call("ADD", [given(x), given(x), scalar(7)], [wanted(x)])
    yield row("add_with_an_unknown_activation", "V1_0", [wrong], only_failing=True)
    wrong = Call("CONCATENATION", [given(numbers(2, 3)), given(numbers(3, 3)), scalar(1)], [wanted(numbers(2, 6))])
    yield row("concatenation_of_other_heights", "V1_0", [wrong], only_failing=True)
    wrong = Call("TRANSPOSE", [given(numbers(2, 3)), int32s(0, 0)], [wanted(numbers(2, 2))])
    yield row("transpose_by_no_permutation", "V1_1", [wrong], only_failing=True)
    seeds = int32s(37, 42)
    draw = Call(
        "RANDOM_MULTINOMIAL", [given(numbers(2, 4)), scalar(4096), seeds], [wanted(torch.zeros(2, 4096), INT32)]
    )
    yield row("random_multinomial", "V1_2", [draw], draws=0.03)


def rows() -> list[str]:
    """All rows, each a line."""
    parts = (arithmetic, images, products_and_sequences, moves_and_choices, quantized, control_flow_and_failures)
    return [line for part in parts for line in part()]


if __name__ == "__main__":
    PATH.write_text("".join(line + "\n" for line in rows()), encoding="utf-8")
