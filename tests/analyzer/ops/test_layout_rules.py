"""Results lie in memory as those of a run do, whatever order the elements of the arguments are in."""

from collections.abc import Callable, Iterator

import pytest
import torch

from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.ops.calls import call, evaluate, operation_of
from nnapi_check.analyzer.ops.layout_rules import LAYOUTS
from tests.analyzer.ops.test_shape_rules import CASES, TO_FLOAT, UNARY, Case, schema, tensors_of

X, Y, ROW = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5), torch.rand(3, 1, 5)
PAIRS = [(X, Y), (X, ROW), (ROW, X)]
MORE: list[tuple[str, Case]] = [
    *((op, (X,)) for op in (*UNARY, *TO_FLOAT)),
    *((op, (X,)) for op in ("relu6", "log_sigmoid", "log2", "log10", "tan", "atan", "asin", "acos", "gelu")),
    *(
        (f"{op}.Tensor", pair)
        for op in ("div", "mul", "remainder", "eq", "ne", "lt", "le", "gt", "ge")
        for pair in PAIRS
    ),
    *((op, pair) for op in ("maximum", "minimum", "atan2", "pow.Tensor_Tensor") for pair in PAIRS),
    *((f"{op}.Tensor", (*pair, 1)) for op in ("add", "sub", "rsub") for pair in PAIRS),
    *(
        (op, (X, 0.5))
        for op in ("div.Scalar", "mul.Scalar", "pow.Tensor_Scalar", "eq.Scalar", "clamp_min", "clamp_max")
    ),
    ("cat", ([X, Y], 1)),
    ("stack", ([X, Y], 2)),
    ("celu", (X, 1.0)),
    *((f"{name}_like", (X, None, None, None, None, None)) for name in ("ones", "empty", "rand", "randn")),
    ("full_like", (X, 0.5, None, None, None, None, None)),
    ("masked_fill.Scalar", (X, Y > 0.5, 1.0)),
    ("softmax.int", (X, 2, None)),
    ("roll", (X, [1], [1])),
    ("group_norm", (torch.rand(2, 6, 5, 4), 3, torch.rand(6), None, 1e-5, True)),
    ("layer_norm", (X, [5], None, None, 1e-5, True)),
    ("batch_norm", (torch.rand(2, 3, 5), *(torch.rand(3) for _ in range(4)), False, 0.1, 1e-5, True)),
    ("convolution", (X, torch.rand(4, 3, 1, 1), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)),
    ("conv2d", (X, torch.rand(4, 3, 1, 1), None, [1], [0], [1], 1)),
    ("conv2d", (X[0], torch.rand(4, 3, 1, 1), None, [1], [0], [1], 1)),
]
ORDERS = [(1, 0, 2, 3, 4), (0, 2, 1, 3, 4), (0, 2, 3, 1, 4), (0, 2, 3, 4, 1), (4, 3, 2, 1, 0), (0, 1, 3, 2, 4)]
NAMES = sorted({*LAYOUTS, *(operation_of(schema(op)).name for op, _ in (*CASES, *MORE))})


def in_order(x: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """The same tensor, whose elements lie in another order of dimensions."""
    axes = [axis for axis in order if axis < x.dim()]
    return x.permute(axes).contiguous().permute([axes.index(axis) for axis in range(x.dim())])


def with_gaps(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, x], -1)[..., : x.shape[-1]] if x.dim() else x


def each(item: object, change: Callable[[torch.Tensor], torch.Tensor]) -> object:
    if isinstance(item, torch.Tensor):
        return change(item)
    return [each(part, change) for part in item] if isinstance(item, list) else item


def relaid(case: Case) -> Iterator[list[object]]:
    for order in ORDERS:
        yield [each(item, lambda x, order=order: in_order(x, order)) for item in case]  # type: ignore[misc]  # mypy takes defaults for arguments
    yield [each(item, with_gaps) for item in case]
    # An image with channels last beside weights that lie as they are made.
    first = next((place for place, item in enumerate(case) if isinstance(item, torch.Tensor)), None)
    yield [each(item, lambda x: in_order(x, ORDERS[3])) if place == first else item for place, item in enumerate(case)]


def to_meta(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")


def order_of(x: torch.Tensor) -> list[int]:
    """The strides of the dimensions of which they tell something."""
    return [stride for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_lies_in_memory_as_that_of_a_run(name: str) -> None:
    tried = 0
    for op, case in (*CASES, *MORE):
        operation = operation_of(schema(op))
        if operation.name != name:
            continue
        for items in relaid(case):
            try:
                wanted = call(operation, items)
            except OpError:
                # Few ops refuse an order of dimensions.
                continue
            found = evaluate(operation, [each(item, to_meta) for item in items])
            for ours, theirs in zip(tensors_of(found), tensors_of(wanted), strict=True):
                if theirs.numel() > 1:
                    tried += 1
                    assert order_of(ours) == order_of(theirs), (
                        f"{op}, strides {[x.stride() for x in tensors_of(tuple(items))]}"
                    )

    assert tried > 0
