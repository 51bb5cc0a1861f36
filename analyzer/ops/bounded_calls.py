"""Calls of PyTorch's ops on real elements, each of which is refused before it makes more than a stated number of them.

PyTorch itself computes constants when it freezes a module. Within `BoundedCalls` those calls are held to the same
list of ops and to the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, isfinite, prod

import torch

from nnapi_check.analyzer.errors import OpError, TooLargeError
from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.allowed_ops import may_be_computed
from nnapi_check.analyzer.ops.conditions.call_conditions import OVERREADING, unmet
from nnapi_check.analyzer.ops.dispatched_calls import DispatchedCalls
from nnapi_check.analyzer.ops.shape_rules import RULES
from nnapi_check.analyzer.ops.window_rules import broadcast

KERNEL_FAILURES = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What PyTorch's kernels raise, those written in Python included, where they refuse what they are given."""

_MAX_RESULTS = 1 << 16

# What a call costs besides the elements that it makes, in elements.
_COST_OF_CALL = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many elements one call may make, and all calls together.

    ``is_size_needed`` refuses ops of which nothing tells before the call how many they make.
    """

    elements: int
    in_all: int
    is_size_needed: bool = True


class BoundedCalls(DispatchedCalls):
    """While it is entered, ops that are not safe or would make too many elements are refused before they run.

    Where Python called the op, it sees an `OpError`. With ``for_torch`` it is PyTorch's passes that call: they are
    refused in a way that they take as "this cannot be computed", and to them two constants are equal where they are
    one tensor, for their elements may not have been read.
    """

    def __init__(self, bounds: Bounds, *, for_torch: bool = False) -> None:
        super().__init__()
        self._bounds = bounds
        self._left = bounds.in_all
        self._for_torch = for_torch

    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Run an op, or refuse it."""
        if not self._for_torch:
            return self._run(op, args, kwargs)
        if op._schema.name == "aten::equal":
            return args[0] is args[1] and isinstance(args[0], torch.Tensor)
        try:
            return self._run(op, args, kwargs)
        except (OpError, *KERNEL_FAILURES):
            # An error of Python would outlive the pass; what cannot be a result ends the computation there.
            return {}

    def _run(self, func: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        self._check(func, args, kwargs)
        found: object = func(*args, **kwargs)
        if _makes_tensors(func):
            self._left -= sum(tensor.numel() for tensor in _tensors(found))
        return found

    def _check(self, func: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        name = func._schema.name
        if not may_be_computed(name):
            raise OpError(f"{name} is not computed before a run")
        self._left -= _COST_OF_CALL
        if self._left < 0:
            raise TooLargeError("the model computes more constants than are computed before a run")
        named = arguments_by_name(func, args, kwargs)
        check_results(name, named)
        check_statistics(name, named)
        if name in OVERREADING and (refused := unmet(name, named)) is not None:
            raise OpError(refused)
        if not _makes_tensors(func):
            return
        size = _size(func, named, self._bounds)
        if size > min(self._bounds.elements, self._left):
            raise TooLargeError(f"its result has {size} elements")


@lru_cache(maxsize=4096)
def _makes_tensors(func: torch._ops.OpOverload) -> bool:
    """Whether the op returns tensors that are neither views nor what it was given."""
    returned, given = func._schema.returns, func._schema.arguments
    has_out = any(argument.is_out for argument in given)
    return has_out or any("Tensor" in str(r.type) and r.alias_info is None for r in returned)


def check_statistics(name: str, named: Mapping[str, object]) -> None:
    """Raise `OpError` where a kernel would read what is given for channels without looking whether it is there."""
    if name != "aten::native_batch_norm":
        return
    x = named.get("input")
    channels = x.shape[1:2] if isinstance(x, torch.Tensor) else None
    statistics = [named.get(each) for each in ("running_mean", "running_var")]
    needed = [] if named.get("training") is True else statistics
    given = [named.get(each) for each in ("weight", "bias")] + statistics
    read = [*needed, *(item for item in given if item is not None)]
    if not channels or not all(isinstance(item, torch.Tensor) and item.shape == channels for item in read):
        raise OpError(f"{name} needs a number for each channel")


def check_results(name: str, named: Mapping[str, object]) -> None:
    """Raise `TooLargeError` where an op would split a tensor into more tensors than Python has room for."""
    x, dim = named.get("self"), named.get("dim", 0)
    if name not in _SPLITTING or not isinstance(x, torch.Tensor) or not isinstance(dim, int):
        return
    length = int(x.shape[dim]) if -x.dim() <= dim < x.dim() else 0
    step = named.get("split_size")
    told = (named.get(argument) for argument in ("sections", "chunks"))
    pieces = next((count for count in told if isinstance(count, int)), length)
    if isinstance(step, int):
        pieces = length // step if step > 0 else 0
    if pieces > _MAX_RESULTS:
        raise TooLargeError(f"its result is a list of more than {_MAX_RESULTS:,} tensors")


_SPLITTING = frozenset(
    f"aten::{name}"
    for name in (
        *("unbind", "unbind_copy", "chunk", "unsafe_chunk", "tensor_split", "hsplit", "vsplit", "dsplit"),
        *("split", "split_copy", "unsafe_split"),
    )
)


def arguments_by_name(
    func: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """What a call gives for the arguments of an op's schema."""
    names = (argument.name for argument in func._schema.arguments)
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _size(func: torch._ops.OpOverload, named: Mapping[str, object], bounds: Bounds) -> int:
    """A number that the elements of an op's results do not exceed."""
    rule = _SIZES.get(func._schema.name)
    if rule is not None:
        found = rule(named)
        if found is not None:
            return found
    coarse = _coarse_size(func, named)
    return coarse if coarse <= bounds.elements else _size_on_meta(func, named, bounds)


def _coarse_size(func: torch._ops.OpOverload, named: Mapping[str, object]) -> int:
    """The product of all sizes among the arguments: no op that the others' sizes decide makes more."""
    size = 1
    for argument in func._schema.arguments:
        kind = str(argument.type)
        item = named.get(argument.name)
        for leaf in _leaves(item):
            if isinstance(leaf, torch.Tensor):
                size *= max(leaf.numel(), 1)
            elif isinstance(leaf, int) and not isinstance(leaf, bool) and "int" in kind.lower():
                size *= max(abs(leaf), 1)
    return size


def _size_on_meta(func: torch._ops.OpOverload, named: Mapping[str, object], bounds: Bounds) -> int:
    if func.namespace == "quantized":
        return _size_of_quantized(named)
    arguments = {name: without_elements(item) for name, item in named.items()}
    for argument in func._schema.arguments:
        if argument.name == "device":
            arguments["device"] = torch.device("meta")
    rule = RULES.get(func._schema.name)
    try:
        found = rule(arguments) if rule is not None else None
        made = _tensors(found if found is not None else _call(func, arguments))
    except KERNEL_FAILURES as error:
        # Some results are as large as the elements say, and some meta kernels refuse what the real ones take.
        if bounds.is_size_needed:
            raise TooLargeError("nothing tells before a run how large its result is") from error
        return _largest_number(func, named)
    return sum(tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1) for tensor in made)


def _size_of_quantized(named: Mapping[str, object]) -> int:
    """Of ops without a meta kernel, all of which join tensors or compute element by element."""
    lists = [tensor.numel() for item in named.values() if isinstance(item, (list, tuple)) for tensor in _tensors(item)]
    shapes = [item.shape for item in named.values() if isinstance(item, torch.Tensor)]
    common = broadcast(*shapes) if shapes else ()
    return max(sum(lists), prod(common if common is not None else (max(prod(shape), 1) for shape in shapes)))


def _call(func: torch._ops.OpOverload, named: Mapping[str, object]) -> object:
    arguments = func._schema.arguments
    positional = [named[a.name] for a in arguments if not a.kwarg_only and a.name in named]
    found: object = func(*positional, **{a.name: named[a.name] for a in arguments if a.kwarg_only and a.name in named})
    return found


def _largest_number(func: torch._ops.OpOverload, named: Mapping[str, object]) -> int:
    plain = {name: item for name, item in named.items() if not any(True for _ in _tensors(item))}
    return _coarse_size(func, plain)


def _leaves(item: object) -> Iterator[object]:
    if isinstance(item, (list, tuple)):
        for part in item:
            yield from _leaves(part)
    else:
        yield item


def _tensors(item: object) -> Iterator[torch.Tensor]:
    return (leaf for leaf in _leaves(item) if isinstance(leaf, torch.Tensor))


def without_elements(item: object) -> object:
    """What a call gives for an argument, with new tensors of the same types and no elements."""
    if isinstance(item, torch.Tensor):
        if item.is_quantized:
            # Quantized tensors have no meta form, and only sizes are asked for.
            return torch.empty(item.shape, device="meta")
        return item if item.is_meta else torch.empty_strided(item.shape, item.stride(), dtype=item.dtype, device="meta")
    if isinstance(item, (list, tuple)):
        return [without_elements(part) for part in item]
    return item


def _elements_of(*names: str, times_rank: bool = False) -> Callable[[Mapping[str, object]], int | None]:
    """As many as a certain argument has."""

    def size(named: Mapping[str, object]) -> int | None:
        given = next((named[name] for name in names if name in named), None)
        if not isinstance(given, torch.Tensor):
            return None
        return given.numel() * (max(given.dim(), 1) if times_rank else 1)

    return size


def _counted(named: Mapping[str, object]) -> int | None:
    """One for each number up to the largest."""
    x, least = named.get("self"), named.get("minlength")
    if not isinstance(x, torch.Tensor) or x.is_meta:
        return None
    return max(int(x.max()) + 1 if x.numel() else 0, least if isinstance(least, int) else 0)


def _repeated(named: Mapping[str, object]) -> int | None:
    """As many as the numbers of repetitions say together."""
    repeats = named.get("repeats")
    if not isinstance(repeats, torch.Tensor) or repeats.is_meta or "self" in named:
        return None
    return int(repeats.sum())


def _of_size(named: Mapping[str, object]) -> int | None:
    """As many as a list of sizes says."""
    size = named.get("size")
    return prod(size) if is_ints(size) else None


def _in_range(named: Mapping[str, object]) -> int | None:
    """As many steps as lead from one number to another."""
    start, end, step = named.get("start", 0), named.get("end"), named.get("step", 1)
    if not all(isinstance(number, (int, float)) and isfinite(number) for number in (start, end, step)):
        return 0
    if not isinstance(start, (int, float)) or not isinstance(end, (int, float)) or not isinstance(step, (int, float)):
        return 0
    # What is not possible is told by the op itself.
    return max(ceil((end - start) / step) + 1, 0) if step else 0


_SIZES: Mapping[str, Callable[[Mapping[str, object]], int | None]] = {
    "aten::arange": _in_range,
    "aten::range": _in_range,
    "aten::bincount": _counted,
    "aten::repeat_interleave": _repeated,
    "aten::_empty_affine_quantized": _of_size,
    "aten::_empty_per_channel_affine_quantized": _of_size,
    **{
        f"aten::{name}": _elements_of("self", times_rank=True)
        for name in ("nonzero", "argwhere", "_unique2", "_unique")
    },
    **{
        f"aten::{name}": _elements_of("self")
        for name in (
            *("quantize_per_tensor", "quantize_per_channel", "dequantize", "int_repr"),
            *("_make_per_channel_quantized_tensor", "_make_per_tensor_quantized_tensor"),
            "fake_quantize_per_channel_affine",
        )
    },
}
"""What tells the number of elements of ops that no meta kernel and no product of sizes tells it of."""
