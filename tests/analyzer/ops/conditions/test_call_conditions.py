"""Calls that PyTorch refuses, or for which it reads past the end of a tensor, have no type and no part on NNAPI."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from nnapi_check import check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError, OpError
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.analyzer.ops.calls import call, evaluate, operation_of
from tests.torch_releases import since

RECURRENT = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def schema(op: str) -> str:
    name, _, overload = op.partition(".")
    return str(getattr(getattr(torch.ops.aten, name), overload or "default")._schema)


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def layers(op: str, state: torch.Tensor, width: int = 3, batch_first: bool = False) -> list[object]:
    """One layer of four cells that reads three numbers, over five steps of two sequences."""
    gates = RECURRENT[op]
    params = [meta(gates * 4, width), meta(gates * 4, 4), meta(gates * 4), meta(gates * 4)]
    states: object = [state, meta(*state.shape, dtype=state.dtype)] if op == "lstm" else state
    x = meta(2, 5, 3) if batch_first else meta(5, 2, 3)
    return [x, states, params, True, 1, 0.0, False, False, batch_first]


@pytest.mark.parametrize("op", RECURRENT)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_recurrent_layer_whose_state_fits_has_a_type(op: str, batch_first: bool) -> None:
    answer = evaluate(operation_of(schema(f"{op}.input")), layers(op, meta(1, 2, 4), batch_first=batch_first))

    assert isinstance(answer, tuple)
    assert answer[0].shape == ((2, 5, 4) if batch_first else (5, 2, 4))


@pytest.mark.parametrize("op", RECURRENT)
@pytest.mark.parametrize(
    "state",
    [meta(1, 1, 4), meta(1, 3, 4), meta(1, 2, 5), meta(1, 2, 1), meta(2, 2, 4), meta(1, 2, 4, dtype=torch.float16)],
    ids=str,
)
def test_a_recurrent_layer_with_a_state_of_another_type_has_none(op: str, state: torch.Tensor) -> None:
    with pytest.raises(OpError, match=r"hx is|float16"):
        evaluate(operation_of(schema(f"{op}.input")), layers(op, state))


@pytest.mark.parametrize("op", RECURRENT)
def test_a_recurrent_layer_with_weights_of_another_width_has_no_type(op: str) -> None:
    with pytest.raises(OpError, match="the weights are"):
        evaluate(operation_of(schema(f"{op}.input")), layers(op, meta(1, 2, 4), width=2))


@pytest.mark.parametrize("op", RECURRENT)
@pytest.mark.parametrize(
    ("state", "sizes", "reason"),
    [
        (meta(1, 2, 4), torch.tensor([2, 2, 2]), None),
        (meta(1, 3, 4), torch.tensor([3, 2, 1]), None),
        (meta(1, 2, 4), torch.tensor([3, 2, 1]), "hx is"),
        (meta(1, 2, 4), torch.tensor([2, 2, 1]), r"batch_sizes are \[2, 2, 1\] for 6 rows"),
        (meta(1, 1, 4), torch.tensor([1, 2, 3]), "batch_sizes are"),
        (meta(1, 6, 4), torch.tensor([6, 0]), "batch_sizes are"),
        (meta(1, 2, 4), torch.tensor([2, 2, 2], dtype=torch.int32), "batch_sizes are"),
        (meta(1, 2, 4), meta(3, dtype=torch.int64), "in a run alone"),
    ],
)
def test_a_layer_over_packed_sequences_has_a_type_where_state_and_sizes_fit(
    op: str, state: torch.Tensor, sizes: torch.Tensor, reason: str | None
) -> None:
    _, states, params, *numbers = layers(op, state)
    operation, given = operation_of(schema(f"{op}.data")), [meta(6, 3), sizes, states, params, *numbers[:-1]]

    if reason is None:
        answer = evaluate(operation, given)
        assert isinstance(answer, tuple)
        assert [tuple(found.shape) for found in answer[:2]] == [(6, 4), tuple(state.shape)]
    else:
        with pytest.raises(OpError, match=reason):
            evaluate(operation, given)


@pytest.mark.parametrize("op", RECURRENT)
def test_one_step_with_a_state_of_another_batch_has_no_type(op: str) -> None:
    gates = RECURRENT[op]
    state: object = [meta(1, 4), meta(1, 4)] if op == "lstm" else meta(1, 4)

    with pytest.raises(OpError, match="hx is"):
        evaluate(operation_of(schema(f"{op}_cell")), [meta(2, 3), state, meta(gates * 4, 3), meta(gates * 4, 4)])


@pytest.mark.parametrize("state", [(1, 3, 4), (1, 2, 5)])
def test_a_gru_that_reads_past_its_state_is_left_to_pytorch(state: tuple[int, ...]) -> None:
    class Gru(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.GRU(3, 4)

        def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
            weights = [parameter.data for parameter in self.layer.parameters()]
            return torch.gru(x, h, weights, True, 1, 0.0, False, False, False)[0]

    traced = torch.jit.trace(Gru().eval(), (torch.rand(5, 2, 3), torch.rand(1, 2, 4)), check_trace=False)  # type: ignore[no-untyped-call]  # it has no types

    captured = capture(traced, (torch.rand(5, 2, 3), torch.rand(state)), weights=False)

    (node,) = (node for node in captured.graph.nodes() if node.op == "aten.gru.input")
    assert "hx is" in str(captured.graph.values[node.outputs[0]].type)


X = torch.rand(2, 4, 7, 9)
LAX: Mapping[str, tuple[str, list[object]]] = {
    "a dimension beyond the rank": ("argmax", [X, 4, False]),
    "a dimension named twice": ("mean.dim", [X, [1, -3], False]),
    "a running maximum beyond the rank": ("cummax", [torch.rand([]), 7]),
    "a running product beyond the rank": ("cumprod", [X, 4]),
    "a product of other element types": ("matmul", [torch.rand(5, 10), torch.ones(10, dtype=torch.int32)]),
    "a softmax beyond the rank": ("softmax.int", [X, -5]),
    "a flip beyond the rank": ("flip", [X, [4]]),
    "places of floats": ("gather", [X, 1, torch.ones(2, 4, 7, 9)]),
    "more places than elements": ("gather", [X, 1, torch.zeros(3, 4, 7, 9, dtype=torch.int64)]),
    "places in a square": ("index_select", [X, 1, torch.zeros(2, 2, dtype=torch.int64)]),
    "two places of a number": ("index_select", [torch.rand(()), 0, torch.zeros(2, dtype=torch.int64)]),
    "places that are true": ("index_select", [X, 1, torch.zeros(2, dtype=torch.bool)]),
    "added slices of another size": (
        "index_add",
        [X, 1, torch.zeros(2, dtype=torch.int64), torch.rand(2, 2, 7, 8)],
    ),
    "slices of another type": (
        "index_copy",
        [X, 1, torch.zeros(1, dtype=torch.int64), torch.zeros(2, 1, 7, 9, dtype=torch.bool)],
    ),
    "slices at places of 32 bits": ("index_copy", [X, 1, torch.zeros(1, dtype=torch.int32), torch.rand(2, 1, 7, 9)]),
    "values that do not spread": (
        "index_put",
        [X[0, 0], [torch.zeros(1, dtype=torch.int64)], torch.rand(1, 4), False],
    ),
    "values of another rank": ("scatter.src", [X, 1, torch.zeros(1, 1, 1, 1, dtype=torch.int64), torch.rand(1)]),
    "a slice of another size": ("select_scatter", [X, torch.rand(2, 7, 8), 1, 0]),
    "a slice beyond the last": ("select_scatter", [X, torch.rand(2, 7, 9), 1, 4]),
    "slices of another size": ("slice_scatter", [X, torch.rand(2, 2, 7, 9), 1, 0, 3, 1]),
    "more steps than dimensions": ("roll", [X, [1, 2], [1]]),
    "words of floats": ("embedding", [torch.rand(5, 3), torch.ones(2)]),
    "a mask of numbers": ("masked_fill.Scalar", [X, torch.ones(2, 4, 7, 9), 1.0]),
    "repeats below zero": ("repeat", [X, [1, 1, -1, 1]]),
    "another shape to normalize": ("layer_norm", [X, [7], None, None]),
    "another weight to normalize": ("layer_norm", [X, [9], torch.ones(7), None]),
    "other channels in statistics": (
        "batch_norm",
        [X, torch.ones(3), torch.ones(4), torch.ones(4), torch.ones(4), False, 0.1, 1e-5, False],
    ),
    "a weight of another type to normalize": (
        "batch_norm",
        [X, torch.ones(4).half(), torch.ones(4), torch.ones(4), torch.ones(4), False, 0.1, 1e-5, False],
    ),
    "two steps along one axis": (
        "conv1d.padding",
        [torch.rand(4, 5), torch.rand(1, 4, 3), None, [2, 2], "valid", [1], 1],
    ),
    "channels that no groups divide": ("group_norm", [X, 3, None, None]),
    "other channels in a weight": ("prelu", [X, torch.ones(3)]),
    "another bias": ("linear", [X, torch.rand(5, 9), torch.rand(3)]),
    "a product of ranks 3 and 2": ("bmm", [torch.rand(2, 3, 4), torch.rand(4, 5)]),
    "another batch": ("bmm", [torch.rand(2, 3, 4), torch.rand(1, 4, 5)]),
    "a sum of another shape": ("baddbmm", [torch.rand(7), torch.rand(2, 3, 4), torch.rand(2, 4, 5)]),
    "a vector of another type": ("mv", [torch.rand(5, 7), torch.ones(7, dtype=torch.bool)]),
    "a matrix added to a vector": ("addmv", [torch.rand(2, 5), torch.rand(5, 7), torch.rand(7)]),
    "channels that no filter reads": (
        "conv_transpose2d.input",
        [X, torch.rand(3, 6, 3, 3), None, [2, 1], [0], [0], 1, [1]],
    ),
    "a shrunken whole number": ("hardshrink", [torch.ones(2, 4, dtype=torch.int32), 0.5]),
    "a way between whole numbers": (
        "lerp.Scalar",
        [torch.ones(2, 4, dtype=torch.int32), torch.ones(2, 4, dtype=torch.int32), 0.5],
    ),
    "an inverse of whole numbers": ("pow.Tensor_Scalar", [torch.ones(2, 4, dtype=torch.int32), -1]),
    "whole numbers to normalize": (
        "batch_norm",
        [
            torch.ones(2, 4, dtype=torch.int32),
            None,
            None,
            *[torch.ones(4, dtype=torch.int32)] * 2,
            False,
            0.1,
            1e-5,
            False,
        ],
    ),
    "a mask of other scores": (
        "scaled_dot_product_attention",
        [torch.rand(1, 2, 3, 4), torch.rand(1, 2, 5, 4), torch.rand(1, 2, 5, 4), torch.rand(3, 4)],
    ),
    "pooling over rank 5": ("max_pool2d", [torch.rand(1, 2, 3, 4, 5), [2], [], [0], [1], False]),
    "an average of nothing": ("avg_pool2d", [X, [2, 2], [], [0], False, True, 0]),
    "a step of 0": ("max_pool2d", [X, [2, 2], [0, 1], [0], [1], False]),
    "steps where the size is to stay": ("conv2d.padding", [X, torch.rand(6, 4, 3, 3), None, [2], "same", [1], 1]),
    "steps where it is to stay, as traces say": (
        "_convolution_mode",
        [X, torch.rand(6, 4, 3, 3), None, [1, 2], "same", [1, 1], 1],
    ),
    "another padding": ("conv2d.padding", [X, torch.rand(6, 4, 3, 3), None, [1], "full", [1], 1]),
    "another bias of filters": ("conv2d", [X, torch.rand(6, 4, 3, 3), torch.rand(4), [1], [0], [1], 1]),
    "padding below zero": ("conv2d", [X, torch.rand(6, 4, 3, 3), None, [1], [-1], [1], 1]),
    "no groups": ("conv2d", [X, torch.rand(6, 4, 3, 3), None, [1], [0], [1], 0]),
    "more rows than a step": (
        "conv_transpose2d.input",
        [X, torch.rand(4, 6, 3, 3), None, [2, 1], [0], [2, 0], 1, [1]],
    ),
    "a pool of three sizes": ("adaptive_avg_pool2d", [X, [1, 2, 3]]),
    "an image of rank 3": ("upsample_nearest2d.vec", [X[0], [5, 3], None]),
    "an image of size 0": ("upsample_bilinear2d.vec", [X, [0, 3], False, None]),
    "a grid of another type": ("grid_sampler", [X, torch.rand(2, 5, 6, 2).double(), 0, 0, False]),
}


SINCE_2_9 = "a running maximum beyond the rank"


@pytest.mark.parametrize(
    "called",
    [pytest.param(name, marks=since("2.9", "it is refused")) if name == SINCE_2_9 else name for name in LAX],
)
def test_what_pytorch_refuses_when_it_runs_has_no_type(called: str) -> None:
    op, items = LAX[called]
    operation = operation_of(schema(op))
    with pytest.raises(OpError):
        call(operation, items)

    with pytest.raises(OpError):
        evaluate(operation, [item.to("meta") if isinstance(item, torch.Tensor) else item for item in items])


def test_a_model_that_names_a_dimension_beyond_the_rank_is_refused_in_one_sentence() -> None:
    class Beyond(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.relu().argmax(3)

    traced = torch.jit.trace(Beyond(), torch.rand(2, 3, 4, 5))  # type: ignore[no-untyped-call]  # it has no types

    with pytest.raises(InputError, match=r"aten\.argmax\.default.*\[3\]|dimension|Dimension"):
        capture(traced, (torch.rand(2, 3, 4),), weights=False)


RESIZED_BY = {
    "upsample_nearest1d": 1,
    "upsample_nearest2d": 2,
    "upsample_nearest3d": 3,
    "_upsample_nearest_exact2d": 2,
    "upsample_linear1d": 1,
    "upsample_bilinear2d": 2,
    "upsample_bicubic2d": 2,
    "upsample_trilinear3d": 3,
    "_upsample_bilinear2d_aa": 2,
}


@pytest.mark.parametrize("op", RESIZED_BY)
@pytest.mark.parametrize("scale", [1e-320, 1e-38, 1e-9, 0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("is_constant", [True, False])
def test_an_image_is_not_resized_by_factors_whose_places_overflow(op: str, scale: float, *, is_constant: bool) -> None:
    axes = RESIZED_BY[op]
    operation = operation_of(schema(op))
    image = torch.rand(1, 2, *[5] * axes, device="cpu" if is_constant else "meta")
    corners = [] if "nearest" in op else [False]
    given = [image, [9] * axes, *corners, *[scale] * axes]

    if 0 < scale < 1:
        with pytest.raises(OpError, match="places beyond 32 bits"):
            evaluate(operation, given)
        if is_constant:
            with pytest.raises(OpError, match="places beyond 32 bits"):
                call(operation, given, BoundedCalls(Bounds(1 << 20, 1 << 20)))
    else:
        found = evaluate(operation, given)
        assert isinstance(found, torch.Tensor)
        assert found.shape == (1, 2, *[9] * axes)


def test_a_file_that_resizes_a_quantized_constant_by_a_tiny_factor_is_checked(tmp_path: Path) -> None:
    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("image", torch.quantize_per_tensor(torch.rand(1, 2, 5, 7), 0.05, 128, torch.quint8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            resized: torch.Tensor = torch.ops.aten.upsample_nearest2d(self.image, [11, 9], 1e-320, None)
            return x + resized.dequantize()

    torch.jit.script(Tiny()).save(tmp_path / "tiny.pt")  # type: ignore[no-untyped-call]  # it has no types

    assert check(tmp_path / "tiny.pt", ["f32[1,2,11,9]"], feature_level=3).score == 0


@pytest.mark.parametrize("number", [-1, 999, 2**31 + 2])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_an_element_type_that_is_none_is_not_given_to_a_kernel(number: int, device: str) -> None:
    with pytest.raises(OpError, match=f"dtype is {number}, which is no element type"):
        evaluate(operation_of(schema("to.dtype")), [torch.rand(3, device=device), number, False, False, None])


def test_a_quantized_image_is_not_resized_past_its_last_place() -> None:
    operation = operation_of(schema("upsample_bilinear2d"))
    image = torch.quantize_per_tensor(torch.rand(1, 2, 5, 6), 0.05, 128, torch.quint8)

    found = evaluate(operation, [image, [7, 7], False, 1.5, 1.2])

    assert isinstance(found, torch.Tensor)
    assert found.shape == (1, 2, 7, 7)
    with pytest.raises(OpError, match=r"scales_w of 1.2 takes 9 places of 6, and PyTorch reads past the last"):
        evaluate(operation, [image, [7, 9], False, 1.5, 1.2])
