"""Ops that are read as others: what the cards say of them is what capture and rewrites do."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.capture.expansions.expansion import expansions
from nnapi_check.analyzer.capture.functional_ops import is_in_place
from nnapi_check.analyzer.graph import Graph, Node
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.coverage_db.queries import open_registry
from tests.analyzer.capture.test_quantized_spellings import SPELLINGS as QUANTIZED_SPELLINGS
from tests.cards import cards as shipped
from tests.torch_releases import since

aten = torch.ops.aten
Function = Callable[..., object]
IMAGE = (1, 6, 5, 7)


class Called(torch.nn.Module):
    def __init__(self, function: Function, *constants: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        for number, shape in enumerate(constants):
            self.register_buffer(f"constant{number}", torch.rand(shape) + 0.5)

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x, *self.buffers())


def graph_of(function: Function, shape: tuple[int, ...], *constants: tuple[int, ...]) -> Graph:
    return capture(Called(function, *constants), [torch.rand(shape)], weights=False).graph


def the_node(graph: Graph) -> Node:
    """The one node that depends on the input, or the last of two."""
    return [node for node in graph.nodes() if not node.is_constant][-1]


def convolve(x: torch.Tensor, weight: torch.Tensor, *, transposed: bool) -> torch.Tensor:
    rank = x.dim() - 2
    found: torch.Tensor = aten.convolution(
        x, weight, None, [2] * rank, [1] * rank, [1] * rank, transposed, [0] * rank, 1
    )
    return found


def first(op: Function, *arguments: object) -> Function:
    return lambda x, *constants: op(x, *constants, *arguments)[0]  # type: ignore[index]  # these ops return tuples


def attend(x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = aten._scaled_dot_product_flash_attention_for_cpu(x, x, x, scale=0.3)[0]
    return found


def of_integers(function: Function) -> Function:
    return lambda x: function(torch.quantize_per_tensor(x, 0.03, 120, torch.quint8))


C = (6,)
CALLS: dict[tuple[str, str], Callable[[], Graph]] = {
    **{
        ("aten.convolution.default", f"aten.conv{rank}d.default"): partial(
            graph_of, partial(convolve, transposed=False), (2, 3, *(7,) * rank), (4, 3, *(3,) * rank)
        )
        for rank in (1, 2, 3)
    },
    **{
        ("aten.convolution.default", f"aten.conv_transpose{rank}d.{'default' if rank == 1 else 'input'}"): partial(
            graph_of, partial(convolve, transposed=True), (2, 3, *(7,) * rank), (3, 4, *(3,) * rank)
        )
        for rank in (1, 2, 3)
    },
    ("aten._native_batch_norm_legit_no_training.default", "aten.batch_norm.default"): partial(
        graph_of, first(aten._native_batch_norm_legit_no_training, 0.1, 0.001), IMAGE, C, C, C, C
    ),
    ("aten._native_batch_norm_legit.no_stats", "aten.instance_norm.default"): partial(
        graph_of, first(aten._native_batch_norm_legit.no_stats, True, 0.1, 0.001), IMAGE, C, C
    ),
    ("aten.native_group_norm.default", "aten.group_norm.default"): partial(
        graph_of, first(aten.native_group_norm, 1, 6, 35, 3, 0.001), IMAGE, C, C
    ),
    ("aten.native_layer_norm.default", "aten.layer_norm.default"): partial(
        graph_of, lambda x, weight, bias: aten.native_layer_norm(x, [7], weight, bias, 0.001)[0], IMAGE, (7,), (7,)
    ),
    ("aten.native_dropout.default", "aten.dropout.default"): partial(
        graph_of, first(aten.native_dropout, 0.4, False), IMAGE
    ),
    ("aten.max_pool2d_with_indices.default", "aten.max_pool2d.default"): partial(
        graph_of, first(aten.max_pool2d_with_indices, [3, 2]), IMAGE
    ),
    ("aten.max_pool3d_with_indices.default", "aten.max_pool3d.default"): partial(
        graph_of, first(aten.max_pool3d_with_indices, [2, 3, 2]), IMAGE
    ),
    ("aten._scaled_dot_product_flash_attention_for_cpu.default", "aten.scaled_dot_product_attention.default"): partial(
        graph_of, attend, IMAGE
    ),
    ("aten.as_strided.default", "aten.view.default"): partial(
        graph_of, lambda x: x.mean([2, 3], keepdim=True).as_strided([1, 6, 1, 1], [6, 1, 6, 6]), IMAGE
    ),
    **{
        (f"aten.{op}", f"aten.{meaning}"): partial(graph_of, function, shape)
        for op, meaning, function, shape in (
            ("linalg_diagonal.default", "diagonal.default", aten.linalg_diagonal, IMAGE),
            ("vsplit.int", "tensor_split.sections", lambda x: tuple(aten.vsplit(x, 2)), (6, 5)),
            ("vsplit.array", "tensor_split.indices", lambda x: tuple(aten.vsplit(x, [1, 3])), (6, 5)),
            ("dsplit.int", "tensor_split.sections", lambda x: tuple(aten.dsplit(x, 5)), IMAGE),
            ("dsplit.array", "tensor_split.indices", lambda x: tuple(aten.dsplit(x, [1, 3])), IMAGE),
            ("matrix_H.default", "transpose.int", aten.matrix_H, (5, 7)),
            ("std_mean.default", "std_mean.dim", lambda x: aten.std_mean(x, True), IMAGE),
            ("var_mean.default", "var_mean.dim", lambda x: aten.var_mean(x, False), IMAGE),
            ("alias_copy.default", "clone.default", aten.alias_copy, IMAGE),
            ("detach_copy.default", "clone.default", aten.detach_copy, IMAGE),
            ("diagonal_copy.default", "diagonal.default", lambda x: aten.diagonal_copy(x, 1, -2, -1), IMAGE),
            ("expand_copy.default", "expand.default", lambda x: aten.expand_copy(x, [2, 6, 5, 7]), IMAGE),
            ("narrow_copy.default", "narrow.default", lambda x: aten.narrow_copy(x, 3, 2, 4), IMAGE),
            ("permute_copy.default", "permute.default", lambda x: aten.permute_copy(x, [0, 3, 1, 2]), IMAGE),
            ("select_copy.int", "select.int", lambda x: aten.select_copy(x, 1, 4), IMAGE),
            ("slice_copy.Tensor", "slice.Tensor", lambda x: aten.slice_copy(x, 3, 1, 6, 2), IMAGE),
            ("squeeze_copy.default", "squeeze.default", aten.squeeze_copy, IMAGE),
            ("squeeze_copy.dim", "squeeze.dim", lambda x: aten.squeeze_copy(x, 0), IMAGE),
            ("squeeze_copy.dims", "squeeze.dims", lambda x: aten.squeeze_copy(x, [0, 1]), IMAGE),
            ("t_copy.default", "t.default", aten.t_copy, (5, 7)),
            ("transpose_copy.int", "transpose.int", lambda x: aten.transpose_copy(x, 1, 3), IMAGE),
            ("unsqueeze_copy.default", "unsqueeze.default", lambda x: aten.unsqueeze_copy(x, 2), (5, 7, 3)),
            ("view_copy.default", "view.default", lambda x: aten.view_copy(x, [6, 35]), IMAGE),
            ("split_copy.Tensor", "split.Tensor", lambda x: tuple(aten.split_copy(x, 3, 1)), IMAGE),
            (
                "split_with_sizes_copy.default",
                "split_with_sizes.default",
                lambda x: tuple(aten.split_with_sizes_copy(x, [2, 4], 1)),
                IMAGE,
            ),
            ("unbind_copy.int", "unbind.int", lambda x: tuple(aten.unbind_copy(x, 1)), IMAGE),
        )
    },
    ("aten.bucketize.Tensor", "aten.searchsorted.Tensor"): partial(
        graph_of, lambda x, boundaries: torch.bucketize(x, boundaries), IMAGE, C
    ),
    **{
        (op, meaning): partial(graph_of, of_integers(function), shape)
        for op, function, meaning, shape in QUANTIZED_SPELLINGS
    },
}


@pytest.mark.parametrize(("op", "meaning"), CALLS)
def test_a_call_is_read_as_what_its_card_says(op: str, meaning: str) -> None:
    node = the_node(CALLS[op, meaning]())

    assert node.op == meaning
    assert len(node.outputs) == 1 or shipped()[op].first_output is None


def test_every_card_that_names_what_its_op_is_read_as_is_kept_to_here() -> None:
    elsewhere = {"in_place", "spellings"}
    cards = [
        card
        for card in shipped().values()
        if card.family not in elsewhere and card.op not in expansions() and not is_in_place(card.op.rpartition(".")[0])
    ]
    promised = {(card.op, meaning) for card in cards for meaning in card.becomes}

    assert promised == set(CALLS)


@since("2.5", "attention has the argument enable_gqa")
@pytest.mark.parametrize(("op", "meaning"), CALLS)
def test_the_arguments_are_those_of_the_op_that_is_meant(op: str, meaning: str) -> None:
    node = the_node(CALLS[op, meaning]())
    space, name, overload = meaning.split(".")
    if space == "nnapi_check":
        return

    schema = getattr(getattr(getattr(torch.ops, space), name), overload)._schema

    assert set(node.arguments) == {argument.name for argument in schema.arguments}


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        pytest.param(lambda x: aten.native_layer_norm(x, [7], None, None, 0.001), IMAGE, id="the mean is read"),
        pytest.param(lambda x: torch.sort(x, dim=1, stable=True), IMAGE, id="equal elements keep their order"),
        pytest.param(lambda x: aten.max_pool2d_with_indices(x, [3, 2]), IMAGE, id="the indices are read"),
        pytest.param(lambda x: x.as_strided([6], [1]), IMAGE, id="strides through an input"),
        pytest.param(
            lambda x: x.mean([2, 3]).as_strided([6, 2], [1, 6]), (2, 6, 5, 7), id="strides along two dimensions"
        ),
        pytest.param(lambda x: x.mean([2, 3]).as_strided([3], [2]), IMAGE, id="strides over every other element"),
        pytest.param(
            first(aten._native_batch_norm_legit.no_stats, None, None, True, 0.1, 0.001), (2, 6, 5, 7), id="two images"
        ),
    ],
)
def test_a_call_that_means_more_keeps_its_op_and_says_why(function: Function, shape: tuple[int, ...]) -> None:
    keeps_its_op(graph_of(function, shape))


class DropsAtTimes(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.native_dropout(x, 0.4, bool(x[0, 0, 0, 0] > 0))[0]


def test_a_dropout_of_which_only_a_run_knows_whether_it_drops_keeps_its_op() -> None:
    keeps_its_op(capture(torch.jit.script(DropsAtTimes()), [torch.rand(IMAGE)], weights=False).graph)


def keeps_its_op(graph: Graph) -> None:
    registry, node = open_registry(), the_node(graph)
    (failure,) = judge(graph, registry, registry.target("pytorch-mobile")).at(8)[node.id].failures

    card = registry.card(node.op)
    assert failure.reason == "NNC104"
    assert failure.found == card.op
    assert card.when in failure.wanted
    assert all(meaning in failure.because for meaning in card.becomes)
