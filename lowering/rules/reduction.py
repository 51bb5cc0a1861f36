"""Reductions over dimensions, whose axes follow the layout."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

from nnapi_check.lowering.compositions.elementwise import Elementwise, truth_spec
from nnapi_check.lowering.compositions.statistics import kept, mean_over, reduced_axes
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import Rule, lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_REDUCTIONS = {
    "aten.sum.dim_IntList": "REDUCE_SUM",
    "aten.sum.default": "REDUCE_SUM",
    "aten.amax.default": "REDUCE_MAX",
    "aten.amin.default": "REDUCE_MIN",
    "aten.max.default": "REDUCE_MAX",
    "aten.min.default": "REDUCE_MIN",
    "aten.prod.dim_int": "REDUCE_PROD",
    "aten.prod.default": "REDUCE_PROD",
    "aten.all.dim": "REDUCE_ALL",
    "aten.all.dims": "REDUCE_ALL",
    "aten.all.default": "REDUCE_ALL",
    "aten.any.dim": "REDUCE_ANY",
    "aten.any.dims": "REDUCE_ANY",
    "aten.any.default": "REDUCE_ANY",
}
_INDICES = {"aten.argmax.default": "ARGMAX", "aten.argmin.default": "ARGMIN"}
_EXTREMES = {"aten.max.dim": ("REDUCE_MAX", "ARGMAX"), "aten.min.dim": ("REDUCE_MIN", "ARGMIN")}


def _keeps(node: NodeReader) -> bool:
    return len(node.output_type().shape) == node.type_of("self").rank and node.type_of("self").rank > 0


def reduce(emit: Emitter, kind: str, x: OperandId, output: TensorSpec | None = None) -> OperandId:
    """A reduction over the node's dimensions to the node's output, or with the dimensions kept to another one."""
    keeps = output is not None or _keeps(emit.node)
    return emit.operation(kind, [x, emit.int32_tensor(reduced_axes(emit.node)), emit.boolean(keeps)], output)


def _reduction(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return reduce(emit, kind, emit.input("self"))

    return rule


for _op, _kind in _REDUCTIONS.items():
    lowers(_op, way="operation")(_reduction(_kind))


@lowers("aten.mean.dim", "aten.mean.default", way="operation")
def mean(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MEAN."""
    return mean_over(emit, emit.input("self"), reduced_axes(node), emit.output_spec())


@lowers("aten.mean.dim", way="averaged")
@lowers("aten.mean.dim", way="pooled")
def pooled_mean(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D of one window, then RESHAPE where the dimensions are taken away."""
    x = emit.input("self")
    spec = emit.spec(x)
    batch, height, width, channels = spec.shape
    numbers = (0, 0, 0, 0, 1, 1, width, height)
    window = [*(emit.int32(number) for number in numbers), emit.fuse()]
    pooled = emit.operation("AVERAGE_POOL_2D", [x, *window], replace(spec, shape=(batch, 1, 1, channels)))
    return emit.operation("RESHAPE", [pooled, emit.int32_tensor(emit.output_spec().shape)])


@lowers("aten.sum.dim_IntList", "aten.sum.default", way="by mean")
def sum_by_mean(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MEAN times the number of elements."""
    x = emit.input("self")
    axes = reduced_axes(node)
    count = prod(emit.spec(x).shape[axis] for axis in axes)
    return Elementwise(emit, x).scaled(mean_over(emit, x, axes, emit.output_spec()), count)


def _index(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        (axis,) = reduced_axes(node)
        return emit.operation(kind, [emit.input("self"), emit.int32(axis)])

    return rule


def _kept_index(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return _index_put_back(emit, kind, emit.input("self"), emit.output_spec())

    return rule


def _index_put_back(emit: Emitter, kind: str, x: OperandId, wanted: TensorSpec) -> OperandId:
    (axis,) = reduced_axes(emit.node)
    shape = tuple(size for place, size in enumerate(wanted.shape) if place != axis) or (1,)
    found = emit.operation(kind, [x, emit.int32(axis)], replace(wanted, shape=shape))
    return emit.operation("EXPAND_DIMS", [found, emit.int32(axis)], wanted)


for _op, _kind in _INDICES.items():
    lowers(_op, way="operation")(_index(_kind))
    lowers(_op, way="put back")(_kept_index(_kind))


def _extreme(value: str, index: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> tuple[OperandId, OperandId]:
        x = emit.input("self")
        (axis,) = reduced_axes(node)
        return reduce(emit, value, x), emit.operation(index, [x, emit.int32(axis)], emit.output_spec(1))

    return rule


@lowers("aten.aminmax.default", way="operations")
def aminmax(node: NodeReader, emit: Emitter) -> tuple[OperandId, OperandId]:
    """Lower to REDUCE_MIN and REDUCE_MAX."""
    x = emit.input("self")
    return reduce(emit, "REDUCE_MIN", x), reduce(emit, "REDUCE_MAX", x)


def _kept_extreme(value: str, index: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> tuple[OperandId, OperandId]:
        x = emit.input("self")
        return reduce(emit, value, x), _index_put_back(emit, index, x, emit.output_spec(1))

    return rule


for _op, (_value, _place) in _EXTREMES.items():
    lowers(_op, way="operations")(_extreme(_value, _place))
    lowers(_op, way="put back")(_kept_extreme(_value, _place))


@lowers("aten.logsumexp.default", way="composed")
def logsumexp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG(REDUCE_SUM(EXP(x - m))) + m, where m is the largest element, or 0 where that is infinite."""
    x = emit.input("self")
    spec = emit.spec(x)
    write = Elementwise(emit, x, spec)
    largest = _finite_or_zero(emit, reduce(emit, "REDUCE_MAX", x, kept(spec, reduced_axes(node))))
    powers = write.of("EXP", write.sub(x, largest))
    total = Elementwise(emit, x)
    shift = _finite_or_zero(emit, reduce(emit, "REDUCE_MAX", x))
    return total.add(total.of("LOG", reduce(emit, "REDUCE_SUM", powers)), shift)


def _finite_or_zero(emit: Emitter, x: OperandId) -> OperandId:
    spec = emit.spec(x)
    write = Elementwise(emit, x, spec)
    is_infinite = Elementwise(emit, x, truth_spec(spec)).of("EQUAL", write.of("ABS", x), write.number(inf))
    zeros = emit.weight(full(spec.shape, 0.0, emit.node.output_type().dtype))
    return write.of("SELECT", is_infinite, zeros, x)


@lowers("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", way="euclidean")
def euclidean_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SQRT of REDUCE_SUM of squares."""
    x = emit.input("self")
    squares = Elementwise(emit, x, emit.spec(x)).mul(x, x)
    return emit.operation("SQRT", [reduce(emit, "REDUCE_SUM", squares)])


@lowers("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", way="absolute")
def absolute_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM of absolute values."""
    x = emit.input("self")
    return reduce(emit, "REDUCE_SUM", emit.operation("ABS", [x], emit.spec(x)))


@lowers("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", way="largest")
def largest_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_MAX of absolute values."""
    x = emit.input("self")
    return reduce(emit, "REDUCE_MAX", emit.operation("ABS", [x], emit.spec(x)))


@lowers("aten.cosine_similarity.default", way="composed")
def cosine_similarity(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the sum of products of both sides, each over its norm, which is at least eps."""
    left, right = emit.input("x1"), emit.input("x2")
    axis = node.axis(node.integer("dim"), node.type_of("x1").rank)
    spec = emit.spec(left)
    write, norm = Elementwise(emit, left, spec), Elementwise(emit, left, kept(spec, (axis,)))
    units = []
    for side in (left, right):
        squares = [write.mul(side, side), emit.int32_tensor((axis,)), emit.boolean(True)]
        length = norm.of("SQRT", emit.operation("REDUCE_SUM", squares, kept(spec, (axis,))))
        units.append(write.div(side, norm.of("MAXIMUM", length, norm.number(node.real("eps")))))
    return _sum_of_products(emit, units[0], units[1], axis)


@lowers("aten.pairwise_distance.default", way="euclidean")
def pairwise_distance(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SQRT of the sum of squares of the difference plus eps."""
    left, right = emit.input("x1"), emit.input("x2")
    spec = emit.spec(left)
    write = Elementwise(emit, left, spec)
    apart = write.shifted(write.sub(left, right), node.real("eps"))
    return emit.operation("SQRT", [_sum_of_products(emit, apart, apart, len(spec.shape) - 1)])


def _sum_of_products(emit: Emitter, left: OperandId, right: OperandId, axis: int) -> OperandId:
    spec = emit.spec(left)
    products = Elementwise(emit, left, spec).mul(left, right)
    keeps = emit.node.output_type().rank == len(spec.shape)
    return emit.operation("REDUCE_SUM", [products, emit.int32_tensor((axis,)), emit.boolean(keeps)])
