"""Examples of this project's own ops: PyTorch has no such op, so they are written as the run that a rewrite finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from nnapi_check.coverage_db.checks import CardError


def composed_source(op: str, tensor_of: Callable[[str], str], args: Mapping[str, object]) -> str:
    """TorchScript that sets ``found`` to the result of one of this project's ops.

    ``tensor_of`` tells what a tensor argument is called there.
    """
    tensor = tensor_of("self")
    match op:
        case "nnapi_check.add_spread.default":
            wide = _numbers(args, "wide")
            return f"found = ({tensor}.reshape({wide}) + {tensor_of('other')}).reshape({tensor}.size())"
        case "nnapi_check.contract.default":
            return f"found = torch.einsum({args.get('equation')!r}, [{tensor}, {tensor_of('other')}])"
        case "nnapi_check.local_response_norm.default":
            size, alpha, beta, k = (args[name] for name in ("size", "alpha", "beta", "k"))
            return _local_response_source(tensor, f"{size}", f"{alpha}", f"{beta}", f"{k}")
        case "nnapi_check.rearrange.default":
            before, order, after = (_numbers(args, name) for name in ("shape_before", "order", "shape_after"))
            return f"found = {tensor}.reshape({before}).permute({order}).reshape({after})"
        case "nnapi_check.rearrange_parts.default":
            return _parts_source(tensor, args)
        case _:
            raise CardError(f"{op} is none of this project's ops")


def _local_response_source(tensor: str, size: str, alpha: str, beta: str, k: str) -> str:
    """What ``torch.nn.functional.local_response_norm`` does to an image."""
    return (
        f"n, c, h, w = {tensor}.size()\n"
        f"    squares = {tensor}.mul({tensor}).view(n, 1, c, h, w)\n"
        f"    padded = torch.ops.aten.pad(squares, [0, 0, 0, 0, {size} // 2, ({size} - 1) // 2])\n"
        f"    means = torch.ops.aten.avg_pool3d(padded, [{size}, 1, 1], [1, 1, 1]).squeeze(1).view(n, c, h, w)\n"
        f"    found = {tensor} / means.mul({alpha}).add({k}).pow({beta})"
    )


def _parts_source(tensor: str, args: Mapping[str, object]) -> str:
    """The dimension that is picked from comes to the front, so that the tensor has one more than each part."""
    before, order, after = (_numbers(args, name) for name in ("shape_before", "order", "shape_after"))
    (outer,), (count,) = _numbers(args, "outer"), _numbers(args, "count")
    place = next(place for place in range(len(before) + 1) if prod(before[:place]) == outer)
    whole = [*before[:place], count, *before[place:]]
    moved = [place, *(axis + (axis >= place) for axis in order)]
    places = ", ".join(f"parts.select(0, {index})" for index in _numbers(args, "indices"))
    return f"parts = {tensor}.reshape({whole}).permute({moved}).reshape({[count, *after]})\n    found = ({places})"


def _numbers(args: Mapping[str, object], name: str) -> list[int]:
    found = args.get(name)
    items = found if isinstance(found, tuple) else (found,)
    numbers = [item for item in items if isinstance(item, int)]
    if len(numbers) != len(items):
        raise CardError(f"{name} is {found!r}, whole numbers were wanted")
    return numbers
