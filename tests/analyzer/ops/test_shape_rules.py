"""Every rule against the op itself, run on real tensors."""

from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.ops.calls import call, evaluate, operation_of
from nnapi_check.analyzer.ops.shape_rules import RULES
from nnapi_check.analyzer.tensor_types import tensor_type

F32, I64, BOOL = torch.float32, torch.int64, torch.bool


def t(*shape: int, dtype: torch.dtype = F32) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype) if dtype is not F32 else torch.rand(shape)


X = t(2, 3, 7, 9)
SPATIAL: dict[str, list[tuple[object, ...]]] = {
    "_convolution": [
        (X, t(4, 3, 3, 2), None, [2, 1], [1, 0], [1, 2], False, [0, 0], 1, False, False, True, True),
        (t(2, 6, 7, 9), t(6, 2, 3, 2), t(4), [2, 3], [1, 0], [1, 2], True, [1, 0], 2, False, False, True, True),
    ],
    "conv1d": [(t(2, 4, 9), t(6, 2, 3), None, [2], [1], [1], 2)],
    "conv2d": [(X, t(4, 3, 3, 2), None, [2], [1], [1], 1), (t(2, 4, 7, 9), t(4, 1, 5, 3), None, [1, 2], [0], [1], 4)],
    "conv3d": [(t(2, 3, 5, 7, 9), t(4, 3, 1, 2, 3), None, [1, 2, 3], [0, 1, 1], [1, 1, 1], 1)],
    "conv_transpose1d": [(t(2, 4, 9), t(4, 3, 5), None, [2], [1], [1], 1, [2])],
    "conv_transpose2d.input": [(t(2, 4, 7, 9), t(4, 3, 3, 2), None, [2, 1], [1, 0], [1, 0], 1, [1, 2])],
    "conv_transpose3d.input": [(t(1, 2, 3, 5, 7), t(2, 3, 1, 2, 3), None, [1], [0], [0], 1, [1])],
    "max_pool1d": [(t(2, 3, 9), [3], [2], [1], [1], True)],
    "max_pool2d": [
        (X, [3, 2], [], [1, 0], [1, 1], False),
        (X, [3, 2], [2, 3], [1, 1], [2, 1], True),
        (X, [2], [3], [1], [1], True),
    ],
    "max_pool3d": [(t(2, 3, 5, 7, 9), [1, 2, 3], [1, 2, 3], [0, 1, 1], [1, 1, 1], True)],
    "avg_pool1d": [(t(2, 3, 9), [3], [2], [1], True, False)],
    "avg_pool2d": [(X, [3, 2], [2, 3], [1, 0], True, False, None), (X, [3, 2], [], [0, 0], False, True, None)],
    "avg_pool3d": [(t(2, 3, 5, 7, 9), [1, 2, 3], [1, 2, 3], [0, 1, 1], False, True, None)],
    "adaptive_avg_pool1d": [(t(2, 3, 9), [4])],
    "adaptive_avg_pool2d": [(X, [1, 1]), (X, [3, 5]), (t(3, 7, 9), [2, 4])],
    "adaptive_avg_pool3d": [(t(2, 3, 5, 7, 9), [1, 2, 3])],
    "upsample_nearest1d.vec": [(t(2, 3, 9), None, [1.7])],
    "upsample_nearest2d.vec": [(X, [5, 11], None), (X, None, [1.5, 2.3])],
    "upsample_nearest3d.vec": [(t(1, 2, 3, 5, 7), None, [2.0, 1.0, 0.5])],
    "upsample_linear1d.vec": [(t(2, 3, 9), [4], False, None)],
    "upsample_bilinear2d.vec": [(X, [5, 11], True, None), (X, None, False, [1.5, 2.3])],
    "upsample_bilinear2d": [(X, [5, 11], True, None, None)],
    "upsample_bicubic2d.vec": [(X, [5, 11], True, None)],
    "_upsample_bilinear2d_aa.vec": [(X, [5, 11], True, None), (X, None, False, [0.5, 2.3])],
    "_upsample_bicubic2d_aa.vec": [(X, [5, 11], True, None)],
    "upsample_trilinear3d.vec": [(t(1, 2, 3, 5, 7), [4, 2, 9], False, None)],
    "grid_sampler": [(X, t(2, 4, 5, 2), 0, 0, False)],
    "pixel_shuffle": [(t(2, 12, 5, 7), 2)],
}
ATTENTION = (t(18, 6), t(18), t(6, 6), t(6))
ENCODER = (False, False, 1e-5, t(6), t(6), t(6), t(6), t(5, 6), t(5), t(6, 5), t(6))
OTHERS: dict[str, list[tuple[object, ...]]] = {
    "linear": [(t(2, 5, 7), t(3, 7), t(3)), (t(7), t(3, 7), None)],
    "addmm": [(t(3), t(5, 7), t(7, 3), 1, 1), (t(5, 3), t(5, 7), t(7, 3), 1, 1)],
    "matmul": [(t(2, 1, 5, 7), t(3, 7, 4)), (t(5, 7), t(7, 3))],
    "bmm": [(t(2, 5, 7), t(2, 7, 3))],
    "mm": [(t(5, 7), t(7, 3))],
    "baddbmm": [(t(2, 5, 3), t(2, 5, 7), t(2, 7, 3), 1, 1)],
    "einsum": [("bhij,hjk->bhik", [t(2, 3, 5, 7), t(3, 7, 4)], None), ("ij,jk->ki", [t(2, 3), t(3, 5)], None)],
    "linalg_vector_norm": [(X, 2, [1, -1], True, None), (X, 2, [2], False, None)],
    "norm.ScalarOpt_dim": [(X, 2, [1], True)],
    "embedding": [(t(9, 4), t(2, 3, dtype=I64), -1, False, False)],
    "gather": [(X, 1, t(2, 2, 7, 5, dtype=I64), False)],
    "index.Tensor": [
        (X, [t(4, dtype=I64)]),
        (X, [None, t(4, 1, dtype=I64), t(5, dtype=I64)]),
        (X, [None, None, t(4, dtype=I64)]),
        (X, [None, t(4, dtype=I64), None, t(dtype=I64)]),
        (X, [t(4, dtype=I64), None, t(5, 1, dtype=I64)]),
        (X, [None, t(dtype=I64), t(4, dtype=I64)]),
    ],
    "repeat": [(t(3, 5), [2, 1, 4])],
    "cat": [([t(2, 3, 5), t(2, 4, 5)], 1), ([t(2, 3), t(2, 3)], -1)],
    "stack": [([t(2, 3), t(2, 3)], -1), ([t(2, 3), t(2, 3)], 1)],
    "mean.dim": [(X, [2, -1], True, None), (X, [1], False, None)],
    "sum.dim_IntList": [(X, [2, -1], False, None)],
    "amax": [(X, [1, 3], True)],
    "amin": [(X, [-2], False)],
    "argmax": [(X, 1, False), (X, -1, True)],
    "argmin": [(X, 2, False)],
    "where.self": [
        (t(7, 1, dtype=BOOL), t(3, 1, 9), t(2, 3, 7, 9)),
        (t(7, dtype=BOOL), t(7), t(7, dtype=torch.float64)),
    ],
    "masked_fill.Scalar": [(t(2, 3, 7), t(3, 1, dtype=BOOL), 1.5)],
    "scaled_dot_product_attention": [(t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 3), None, 0.0, False)],
    "softmax.int": [(X, 1, None)],
    "log_softmax.int": [(X, -1, None)],
    "cumsum": [(X, 1, None)],
    "batch_norm": [(X, t(3), t(3), t(3), t(3), False, 0.1, 1e-5, True)],
    "_native_multi_head_attention": [
        (*[t(3, 5, 6)] * 3, 6, 2, *ATTENTION),
        (*[t(3, 5, 6)] * 3, 6, 2, *ATTENTION, None, True, False),
    ],
    "_transformer_encoder_layer_fwd": [(t(3, 5, 6), 6, 2, *ATTENTION, *ENCODER)],
    "native_batch_norm": [(X, t(3), t(3), t(3), t(3), False, 0.1, 1e-5)],
    "_native_batch_norm_legit": [(X, t(3), t(3), t(3), t(3), False, 0.1, 1e-5)],
    "_native_batch_norm_legit_no_training": [(X, t(3), t(3), t(3), t(3), 0.1, 1e-5)],
    "layer_norm": [(X, [7, 9], t(7, 9), None, 1e-5, True)],
    "group_norm": [(t(2, 6, 5), 3, t(6), t(6), 1e-5, True)],
    "instance_norm": [(X, t(3), t(3), None, None, True, 0.1, 1e-5, True)],
    "prelu": [(X, t(3))],
    "roll": [(X, [1, 2], [2, 3])],
    "flip": [(X, [1, 3])],
    "hardtanh": [(X, 0.0, 6.0)],
    "clamp": [(X, 0.1, None)],
    "threshold": [(X, 0.1, 2.0)],
    "softplus": [(X, 1, 20)],
    "leaky_relu": [(X, 0.2)],
    "elu": [(X, 1, 1, 1)],
    "gelu": [(X,)],
    "zeros_like": [(X, None, None, None, None, None)],
}
SIZES = torch.tensor([2, 2, 1])
PACKED: dict[str, list[tuple[object, ...]]] = {
    "lstm.data": [
        (t(5, 3), SIZES, [t(2, 2, 4)] * 2, [t(16, 3), t(16, 4)] * 2, False, 1, 0.0, False, True),
        (t(5, 3), SIZES, [t(1, 2, 4), t(1, 2, 6)], [t(24, 3), t(24, 4), t(4, 6)], False, 1, 0.0, False, False),
    ],
    "gru.data": [(t(5, 3), SIZES, t(1, 2, 4), [t(12, 3), t(12, 4)], False, 1, 0.0, False, False)],
    "rnn_tanh.data": [(t(5, 3), SIZES, t(2, 2, 4), [t(4, 3), t(4, 4)] * 2, False, 1, 0.0, False, True)],
    "rnn_relu.data": [(t(5, 3), SIZES, t(1, 2, 4), [t(4, 3), t(4, 4)], False, 1, 0.0, False, False)],
}
"""Layers over packed sequences, which take how many there are at each step from elements."""
Case = tuple[object, ...]
CASES: list[tuple[str, Case]] = [
    (op, case) for table in (SPATIAL, OTHERS) for op, cases in table.items() for case in cases
]


def to_meta(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return [to_meta(part) for part in value] if isinstance(value, list) else value


def schema(op: str) -> str:
    name, _, overload = op.partition(".")
    return str(torch._C._get_schema(f"aten::{name}", overload))


@pytest.mark.parametrize(("op", "case"), CASES, ids=[f"{op}-{number}" for number, (op, _) in enumerate(CASES)])
def test_a_rule_gives_the_type_that_the_op_returns(op: str, case: Case) -> None:
    operation = operation_of(schema(op))
    names = [argument.name for argument in operation.arguments]

    answer = RULES[operation.name](dict(zip(names, map(to_meta, case), strict=False)))

    expected = call(operation, case)
    assert answer is not None
    for found, wanted in zip(tensors_of(answer), tensors_of(expected), strict=True):
        assert found.is_meta
        assert tensor_type(found) == tensor_type(wanted)


@pytest.mark.parametrize(("op", "case"), [(op, case) for op, cases in PACKED.items() for case in cases])
def test_packed_layers_give_tensors_that_lie_as_those_of_a_run(op: str, case: Case) -> None:
    operation = operation_of(schema(op))

    answer = evaluate(operation, [item if item is SIZES else to_meta(item) for item in case])

    for found, wanted in zip(tensors_of(answer), tensors_of(call(operation, case)), strict=True):
        assert found.is_meta
        assert (tensor_type(found), found.stride()) == (tensor_type(wanted), wanted.stride())


def tensors_of(answer: object) -> list[torch.Tensor]:
    items = answer if isinstance(answer, tuple) else [answer]
    return [item for item in items if isinstance(item, torch.Tensor)]


UNARY = ["relu", "hardswish", "hardsigmoid", "silu", "mish", "selu", "abs", "neg", "sign", "floor", "ceil", "round"]
TO_FLOAT = ["sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "erf", "reciprocal", "expm1", "log1p"]


@pytest.mark.parametrize("op", UNARY + TO_FLOAT)
@pytest.mark.parametrize("dtype", [F32, torch.float64, I64])
def test_an_activation_gives_the_type_that_the_op_returns(op: str, dtype: torch.dtype) -> None:
    operation = operation_of(schema(op))
    x = torch.ones(2, 3, 5, dtype=dtype)
    try:
        expected = call(operation, [x])
    except OpError:
        pytest.skip(f"{op} takes no {dtype}")

    answer = RULES[operation.name]({"self": x.to("meta")})

    assert isinstance(expected, torch.Tensor)
    assert isinstance(answer, torch.Tensor)
    assert tensor_type(answer) == tensor_type(expected)


COMPLEX = ("abs", "angle", "neg", "exp", "sum.dim_IntList", "mean.dim", "linalg_vector_norm", "mul.Tensor", "eq.Tensor")


@pytest.mark.parametrize("op", COMPLEX)
def test_what_comes_of_complex_numbers_has_the_type_that_the_op_returns(op: str) -> None:
    operation = operation_of(schema(op))
    x = torch.complex(t(2, 3), t(2, 3))
    arguments = {"sum.dim_IntList": [x, [1]], "mean.dim": [x, [1]], "linalg_vector_norm": [x, 2, [1]]}
    items = arguments.get(op, [x, x] if op.endswith(".Tensor") else [x])

    answer = evaluate(operation, [to_meta(item) for item in items])

    expected = call(operation, items)
    assert isinstance(answer, torch.Tensor)
    assert isinstance(expected, torch.Tensor)
    assert tensor_type(answer) == tensor_type(expected)


BINARY = ["add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "pow.Tensor_Tensor", "maximum", "minimum"]
BINARY += ["atan2", "eq.Tensor", "ne.Tensor", "lt.Tensor", "le.Tensor", "gt.Tensor", "ge.Tensor", "remainder.Tensor"]
sizes = st.sampled_from([1, 2, 3])
operands = st.tuples(
    st.lists(sizes, max_size=3), st.sampled_from([F32, torch.float64, torch.float16, I64, torch.int32])
)


@settings(max_examples=150, deadline=None)
@given(op=st.sampled_from(BINARY), first=operands, second=operands)
def test_arithmetic_gives_the_type_that_the_op_returns(
    op: str, first: tuple[list[int], torch.dtype], second: tuple[list[int], torch.dtype]
) -> None:
    operation = operation_of(schema(op))
    tensors = [torch.ones(shape, dtype=dtype) for shape, dtype in (first, second)]
    names = [argument.name for argument in operation.arguments]
    answer = RULES[operation.name](dict(zip(names, [x.to("meta") for x in tensors], strict=False)))
    try:
        expected = call(operation, tensors)
    except OpError:
        assert answer is None
        return

    assert isinstance(expected, torch.Tensor)
    assert isinstance(answer, torch.Tensor)
    assert tensor_type(answer) == tensor_type(expected)


@pytest.mark.parametrize(
    ("op", "case"),
    [
        ("conv2d", (t(2, 5, 7, 9), t(4, 3, 3, 2), None, [1], [0], [1], 1)),
        ("conv2d", (t(2, 3, 2, 2), t(4, 3, 3, 2), None, [1], [0], [1], 1)),
        ("linear", (t(2, 5), t(3, 7), None)),
        ("matmul", (t(2, 5), t(3, 7))),
        ("cat", ([t(2, 3), t(3, 3)], 1)),
        ("stack", ([t(2, 3), t(3, 3)], 1)),
        ("add.Tensor", (t(2, 3), t(2, 4), 1)),
        ("max_pool2d", (t(1, 1, 2, 2), [3, 3], [1], [0], [1], False)),
        ("pixel_shuffle", (t(2, 3, 5, 7), 2)),
        ("gather", (X, 1, t(2, dtype=I64), False)),
    ],
)
def test_a_rule_answers_nothing_where_the_op_fails(op: str, case: Case) -> None:
    operation = operation_of(schema(op))
    names = [argument.name for argument in operation.arguments]

    assert RULES[operation.name](dict(zip(names, map(to_meta, case), strict=False))) is None
    with pytest.raises(OpError):
        call(operation, case)


def test_constant_places_apart_from_each_other_give_the_shape_that_a_run_gives() -> None:
    operation = operation_of(schema("index.Tensor"))
    places = [None, t(4, dtype=I64), None, t(dtype=I64)]
    expected = call(operation, [X, places])

    answer = evaluate(operation, [to_meta(X), places])

    assert isinstance(answer, torch.Tensor)
    assert isinstance(expected, torch.Tensor)
    assert answer.shape == expected.shape


def test_a_rule_keeps_the_layout_of_a_permuted_tensor() -> None:
    operation = operation_of(schema("relu"))
    x = torch.empty(2, 3, 5, 7, device="meta").permute(0, 2, 3, 1)

    answer = evaluate(operation, [x])

    assert isinstance(answer, torch.Tensor)
    assert answer.stride() == torch.relu(torch.zeros(2, 3, 5, 7).permute(0, 2, 3, 1)).stride()


lists = st.lists(st.integers(0, 2), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    op=st.sampled_from(["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d.input"]),
    rank=st.integers(1, 3),
    stride=lists.map(lambda items: [item + 1 for item in items]),
    padding=lists,
    dilation=lists.map(lambda items: [item + 1 for item in items]),
)
def test_a_convolution_that_fails_when_it_runs_has_no_type(
    op: str, rank: int, stride: list[int], padding: list[int], dilation: list[int]
) -> None:
    operation = operation_of(schema(op))
    items: list[object] = [t(2, 4, *(7, 8, 9)[:rank]), t(4, 4, *(2, 3, 2)[:rank]), None, stride, padding]
    items += [[0], 1, dilation] if "transpose" in op else [dilation, 1]
    try:
        expected = call(operation, items)
    except OpError:
        with pytest.raises(OpError):
            evaluate(operation, [to_meta(item) for item in items])
        return

    answer = evaluate(operation, [to_meta(item) for item in items])

    assert isinstance(answer, torch.Tensor)
    assert isinstance(expected, torch.Tensor)
    assert answer.shape == expected.shape


LAID_OUT: Mapping[str, tuple[str, Callable[[torch.Tensor], list[object]]]] = {
    "attention": ("scaled_dot_product_attention", lambda x: [x, x, x]),
    "a sum with a number": ("add.Scalar", lambda x: [x, 0.5, 1]),
    "a slice and a sum": ("add.Scalar", lambda x: [x[1:, :, ::2], 0.5, 1]),
    "a row and a sum": ("add.Scalar", lambda x: [x[-1], 0.5, 1]),
    "a formula": ("einsum", lambda x: ["bijk,im->bjmk", [x, torch.zeros(x.shape[1], 4)]]),
    "ones made like it": ("ones_like", lambda x: [x, None, None, None, None, None]),
    "numbers made like a slice": ("full_like", lambda x: [x[1:, :, ::2], 0.5, None, None, None, None, None]),
    "a formula that turns": ("einsum", lambda x: ["bijk,bijm->bmik", [x, x]]),
}
ORDERS = [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3), (0, 1, 3, 2), (3, 1, 2, 0), (2, 3, 0, 1)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", LAID_OUT)
def test_a_result_has_the_layout_of_a_run(name: str, order: tuple[int, ...]) -> None:
    op, arguments = LAID_OUT[name]
    x = torch.rand(2, 3, 4, 5).permute(order)
    operation = operation_of(schema(op))

    answer = evaluate(operation, arguments(torch.rand(2, 3, 4, 5).to("meta").permute(order)))

    wanted = call(operation, arguments(x))
    assert isinstance(wanted, torch.Tensor)
    assert isinstance(answer, torch.Tensor)
    assert answer.stride() == wanted.stride()
