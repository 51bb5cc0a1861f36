"""Calls of PyTorch's ops by their schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from nnapi_check.analyzer.errors import OpError, TooLargeError
from nnapi_check.analyzer.graph import OtherType
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.allowed_ops import may_be_called, may_be_typed
from nnapi_check.analyzer.ops.bounded_calls import (
    KERNEL_FAILURES,
    BoundedCalls,
    Bounds,
    check_results,
    without_elements,
)
from nnapi_check.analyzer.ops.conditions.call_conditions import unmet
from nnapi_check.analyzer.ops.conditions.recurrence_conditions import RECURRENCE_CONDITIONS
from nnapi_check.analyzer.ops.layout_rules import dense_strides, laid_out
from nnapi_check.analyzer.ops.quantized_rules import QUANTIZED_RULES
from nnapi_check.analyzer.ops.shape_rules import NUMBER_OPS, RULES, elsewhere
from nnapi_check.analyzer.tensor_types import dtype_of_number, names_dtype

MAX_COMPUTED = 1 << 20
"""A constant with more elements than this is typed, not computed, while a graph is typed."""

WHEN_TYPED = Bounds(MAX_COMPUTED, 1 << 26)
"""What may be computed while a graph is typed."""

_WHEN_QUANTIZED = Bounds(1 << 26, 1 << 28)

# An op is tried on real tensors of at most this many elements together.
_MAX_TRIED = 1 << 24
_TRIED = ((0, 1.0), (1, 0.5))
"""Elements of tensors of whole numbers and of others with which an op is tried."""
FEW = 1 << 20
"""So many elements take little time to try."""
# Texts that are worked on have at most this many characters together.
_MAX_TEXT = 1 << 16


FORM_ARGUMENT: Mapping[str, int] = {
    **{
        f"aten::{prefix}{name}{suffix}": 0
        for prefix, suffix in (("new_", ""), ("", "_like"))
        for name in ("zeros", "ones", "full", "empty")
    },
    "aten::_shape_as_tensor": 0,
    **{f"aten::{name}_as": 1 for name in ("expand", "view", "reshape", "type")},
}
"""Ops that read no more than shape and element type of one argument, and that argument's place."""

PLACE_ARGUMENT: Mapping[str, int] = {"aten::select": 2, "aten::select_scatter": 3, "aten::narrow": 2}
"""Ops one of whose numbers says where, never how many, and the place of that argument."""

# Results of these are made with elements up to this many.
_MAX_MADE = 1 << 16


def _tensor_of(data: object, dtype: int | None, **_where: object) -> torch.Tensor:
    """A list of numbers as a tensor of whole numbers, fractions or truth values, like the numbers themselves."""
    if not _flat(data):
        raise ValueError("an empty list does not say of which numbers")
    return torch.tensor(data, dtype=None if dtype is None else dtype_of_number(dtype))


_OF_ANY_LIST: Mapping[tuple[str, str], Callable[..., object]] = {
    ("aten::tensor", ""): _tensor_of,
    ("aten::as_tensor", "list"): _tensor_of,
}
"""Ops that take lists of any kind, which PyTorch can only call from TorchScript."""


@dataclass(frozen=True, slots=True)
class SchemaArgument:
    """One argument of an op's schema. ``length`` is set for a list that a single number may stand for.

    ``is_shared``: what the op returns, or what it writes to, may hold this argument itself or a view of it.
    """

    name: str
    kind: str
    length: int | None
    is_keyword_only: bool
    is_written: bool
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """An op overload: its name (``aten::add``), overload (``Tensor``), schema and the function that calls it.

    ``function`` is None where PyTorch has none, or the op may not be called. ``is_random`` says that it draws numbers,
    ``is_foreign`` that it is of somebody's own library.
    """

    name: str
    overload: str
    arguments: tuple[SchemaArgument, ...]
    is_mutable: bool
    returns_shared: bool
    function: Callable[..., object] | None
    is_random: bool = False
    is_foreign: bool = False


@lru_cache(maxsize=4096)
def operation_of(schema_text: str) -> Operation:
    """The op with this schema, as a node of TorchScript states it."""
    schema = torch._C.parse_schema(schema_text)
    arguments = tuple(
        SchemaArgument(
            argument.name,
            str(getattr(argument, "real_type", argument.type)),
            getattr(argument, "N", None),
            argument.kwarg_only,
            argument.alias_info is not None and argument.alias_info.is_write,
            argument.alias_info is not None,
        )
        for argument in schema.arguments
    )
    is_mutable = any(argument.is_written for argument in arguments)
    returns_shared = any(found.alias_info is not None for found in schema.returns)
    is_foreign = not may_be_called(schema.name, schema.overload_name)
    if is_foreign and not may_be_typed(schema.name, schema.overload_name):
        return Operation(schema.name, schema.overload_name, arguments, is_mutable, returns_shared, None)
    found = torch._C._get_operation_overload(schema.name, schema.overload_name)
    function, _, tags = found if found is not None else (None, None, ())
    function = _OF_ANY_LIST.get((schema.name, schema.overload_name), function)
    is_random = torch.Tag.nondeterministic_seeded in tags
    return Operation(
        schema.name, schema.overload_name, arguments, is_mutable, returns_shared, function, is_random, is_foreign
    )


def operation_at(node: torch._C.Node) -> Operation | None:
    """The op that a node calls; None where PyTorch states no schema of it."""
    schema = node.schema()
    return operation_of(schema) if schema and schema != "(no schema)" else None


def evaluate(operation: Operation, items: Sequence[object], calls: BoundedCalls | None = None) -> object:
    """What the op returns, on ``meta`` where not all elements are known; `OpError` where it cannot be called.

    ``calls`` bound what is computed; without, only this call is bounded.
    """
    place = PLACE_ARGUMENT.get(operation.name)
    if place is not None and _placeholder(items[place]) is not items[place]:
        found = evaluate(operation, [*items[:place], 0, *items[place + 1 :]], calls)
        return elsewhere(found) if isinstance(found, torch.Tensor) else found
    # Between two numbers the result is a number, whose value would be made up.
    if operation.name in NUMBER_OPS and any(isinstance(item, Draft) and item.tensor is not None for item in items):
        items = [_placeholder(item) for item in items]
    if any(isinstance(draft, Draft) and draft.tensor is None for item in items for draft in _flat(item)):
        raise OpError("an argument is known only at run time")
    values = [_plain(item) for item in items]
    refused = unmet(operation.name, _by_name(operation, values))
    if refused is not None:
        raise OpError(refused)
    form = FORM_ARGUMENT.get(operation.name)
    if form is not None:
        values[form] = _small_stand_in(values[form])
    if _has_quantized(values):
        values = [_filled(value, 0, 0.0) for value in values]
    on_meta = any(isinstance(x, torch.Tensor) and x.is_meta for value in values for x in _flat(value))
    on_meta = on_meta or operation.is_random or operation.is_foreign
    if on_meta or operation.name in QUANTIZED_RULES:
        rule = QUANTIZED_RULES.get(operation.name) or RULES.get(operation.name)
        if rule is not None:
            named = _by_name(operation, values)
            answer = rule(named)
            if answer is not None:
                return laid_out(operation.name, named, answer)
        if operation.is_mutable and _is_overwritten(operation, values[0]):
            return values[0]
    if not on_meta:
        try:
            return call(operation, values, _bounds_of(values, calls))
        except TooLargeError:
            pass
    values = _on_meta_device(operation, values)
    if on_meta and not operation.is_random and not operation.is_foreign:
        try:
            return call(operation, values)
        except OpError:
            pass
    # Some meta kernels refuse constants whose elements are known, for they live on another device.
    return call(operation, [_to_meta(value) for value in values])


def is_refused(operation: Operation, items: Sequence[object], calls: BoundedCalls) -> bool:
    """Whether ``calls`` refuse the op, or one that it calls in turn, by the types of what it is given."""
    try:
        # In-place ops write to copies, which have no elements either.
        call(operation, _on_meta_device(operation, [without_elements(_plain(item)) for item in items]), calls)
    except OpError as error:
        # What the kernels for types alone do not take has a cause, and says nothing of those for elements.
        return error.__cause__ is None
    return False


def _on_meta_device(operation: Operation, values: Sequence[object]) -> list[object]:
    """The values, so that what the op makes has no elements."""
    return [
        torch.device("meta") if "Device" in argument.kind and _names_device(operation, value) else value
        for argument, value in zip(operation.arguments, values, strict=False)
    ]


def _by_name(operation: Operation, values: Sequence[object]) -> dict[str, object]:
    return {argument.name: value for argument, value in zip(operation.arguments, values, strict=False)}


def _bounds_of(values: Sequence[object], calls: BoundedCalls | None) -> BoundedCalls:
    return BoundedCalls(_WHEN_QUANTIZED) if _has_quantized(values) else calls or BoundedCalls(WHEN_TYPED)


def _has_quantized(values: Sequence[object]) -> bool:
    """Quantized tensors have no meta form, so that those of a run are made to be typed, and what stands beside them."""
    return any(isinstance(leaf, torch.Tensor) and leaf.is_quantized for value in values for leaf in _flat(value))


def _names_device(operation: Operation, value: object) -> bool:
    """Whether an argument says, or leaves open, where a new tensor lives."""
    takes_tensors = any("Tensor" in argument.kind for argument in operation.arguments)
    return isinstance(value, torch.device) or (value is None and not takes_tensors)


def _is_overwritten(operation: Operation, target: object) -> bool:
    """Whether an in-place op writes over a tensor without elements, of which nothing changes then."""
    name = operation.name.removesuffix("_")
    return isinstance(target, torch.Tensor) and target.is_meta and (name in RULES or name in _OVERWRITES)


_OVERWRITES = frozenset({"aten::fill", "aten::copy", "aten::zero"})


def _small_stand_in(value: object) -> object:
    return stand_in(value) if isinstance(value, torch.Tensor) and value.is_meta else value


def stand_in(tensor: torch.Tensor) -> torch.Tensor:
    """Zeros in place of a tensor of which only the type matters, and the order of its dimensions in memory.

    Tensors made like it lie in that order too, which is no longer told of zeros in place of a large one.
    """
    if tensor.numel() > _MAX_MADE:
        return torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
    return torch.empty_strided(tensor.shape, dense_strides(tensor), dtype=tensor.dtype, device="cpu").zero_()


def failure(operation: Operation, items: Sequence[object], *, most: int = _MAX_TRIED) -> str | None:
    """Why a run of the op on tensors of these types fails; None where it does not, or is not known to.

    Asked where the op could not be typed, to tell shapes that the model cannot take from ops that PyTorch cannot type,
    and where others are computed in its place. ``most`` is how many elements are tried at most.
    """
    drafts = [draft for item in items for draft in _flat(item) if isinstance(draft, Draft)]
    if not drafts or any(draft.tensor is None for draft in drafts):
        return None
    if sum(draft.tensor.numel() for draft in drafts if draft.tensor is not None) > most:
        return None
    if operation.is_random or operation.is_foreign or operation.name in RECURRENCE_CONDITIONS:
        # What recurrent layers are given that does not fit, they read past its end.
        return None
    bounds = Bounds(most, 4 * most, is_size_needed=False)
    first, second = (
        _trial(operation, [_filled(_plain(item), *numbers) for item in items], bounds) for numbers in _TRIED
    )
    # Where it fails in another way with other elements, it is these that do not fit, and not the shapes.
    return first if first == second else None


def fix_of_failure(operation: Operation, items: Sequence[object]) -> str:
    """What to do about a call that fails: QNNPACK refuses some that PyTorch's engines for desktops compute."""
    engines = torch.backends.quantized
    is_quantized = _has_quantized([_plain(item) for item in items])
    others = [name for name in engines.supported_engines if name not in ("none", "qnnpack")]
    if is_quantized and others and engines.engine == "qnnpack":
        engines.engine = others[0]
        try:
            is_of_phones = failure(operation, items) is None
        finally:
            engines.engine = "qnnpack"
        if is_of_phones:
            return (
                "phones compute quantized tensors with QNNPACK, which refuses this call: write it as QNNPACK takes it"
            )
    return "pass inputs of shapes that it accepts"


def _trial(operation: Operation, values: Sequence[object], bounds: Bounds) -> str | None:
    """How the op fails with these values; None where it does not."""
    try:
        call(operation, values, BoundedCalls(bounds))
    except TooLargeError:
        return None
    except OpError as error:
        cause = error.__cause__
        if not isinstance(cause, (RuntimeError, IndexError, ValueError)):
            return None
        told = _first_line(cause)
        # That there is no kernel on the CPU, or that it was not called as it wants, says nothing of the model.
        return None if told.startswith("Could not run") or "Expected a value of type" in told else told
    return None


def _filled(value: object, whole: int, real: float) -> object:
    """A value with elements for those of tensors that are known by their type alone."""
    if isinstance(value, torch.Tensor) and value.is_meta:
        return torch.full(value.shape, real if value.dtype.is_floating_point else whole, dtype=value.dtype)
    if isinstance(value, (list, tuple)):
        return [_filled(part, whole, real) for part in value]
    return value


def _placeholder(item: object) -> object:
    """A number of the same kind for one that is known only at run time: the op's type depends on its kind only."""
    if isinstance(item, Draft) and isinstance(item.type, OtherType):
        return {"int": 1, "float": 1.0, "bool": True}.get(item.type.name, item)
    return item


def call(operation: Operation, values: Sequence[object], calls: BoundedCalls | None = None) -> object:
    """Call the op on plain values; where they have elements, ``calls`` bound what is computed."""
    if operation.function is None or (operation.is_foreign and calls is not None):
        raise OpError(f"{operation.name} is not called before a run")
    if sum(len(leaf) for value in values for leaf in _flat(value) if isinstance(leaf, str)) > _MAX_TEXT:
        raise TooLargeError("its texts are too long")
    for argument, value in zip(operation.arguments, values, strict=False):
        if type(value) is int and _is_dtype(argument) and not names_dtype(value):
            raise OpError(f"{argument.name} is {value}, which is no element type")
    check_results(operation.name, dict(zip((a.name for a in operation.arguments), values, strict=False)))
    positional = [v for a, v in zip(operation.arguments, values, strict=False) if not a.is_keyword_only]
    keywords = {a.name: v for a, v in zip(operation.arguments, values, strict=False) if a.is_keyword_only}
    try:
        if calls is None or not _has_tensors(operation):
            return operation.function(*positional, **keywords)
        with calls:
            return operation.function(*positional, **keywords)
    except NotImplementedError as error:
        raise OpError("PyTorch cannot tell its shape without the elements") from error
    except KERNEL_FAILURES as error:
        raise OpError(_first_line(error)) from error


def _is_dtype(argument: SchemaArgument) -> bool:
    """Releases before 2.0 call the kind of an element type ``int``."""
    return "ScalarType" in argument.kind or argument.name == "dtype"


def _has_tensors(operation: Operation) -> bool:
    """Whether the op may make or take tensors, rather than numbers and texts alone."""
    return not _NUMBER_KINDS.issuperset(argument.kind for argument in operation.arguments)


_NUMBER_KINDS = frozenset({"int", "float", "bool", "str", "number", "complex"})


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _flat(item: object) -> Sequence[object]:
    if isinstance(item, (list, tuple)):
        return [leaf for part in item for leaf in _flat(part)]
    return (item,)


def _plain(item: object) -> object:
    if isinstance(item, Draft):
        return item.tensor
    if isinstance(item, list):
        return [_plain(part) for part in item]
    if isinstance(item, tuple):
        return tuple(_plain(part) for part in item)
    if isinstance(item, dict):
        return {key: _plain(part) for key, part in item.items()}
    return item


def _to_meta(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value if value.is_quantized else value.to("meta")
    if isinstance(value, (list, tuple)):
        return [_to_meta(part) for part in value]
    return value
