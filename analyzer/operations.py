"""Calls of PyTorch's ops by their schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from analyzer.drafts import Draft
from analyzer.graph import OtherType
from analyzer.quantized_rules import QUANTIZED_RULES
from analyzer.shape_rules import NUMBER_OPS, RULES

# An op is tried on real tensors of at most this many elements together.
_MAX_TRIED = 1 << 27


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

# Results of these are made with elements up to this many.
_MAX_MADE = 1 << 16


class OpError(Exception):
    """An op could not be called on what is known of its arguments."""


@dataclass(frozen=True, slots=True)
class SchemaArgument:
    """One argument of an op's schema. ``length`` is set for a list that a single number may stand for."""

    name: str
    kind: str
    length: int | None
    is_keyword_only: bool
    is_written: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """An op overload: its name (``aten::add``), overload (``Tensor``), schema and the function that calls it."""

    name: str
    overload: str
    arguments: tuple[SchemaArgument, ...]
    is_mutable: bool
    function: Callable[..., object] | None


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
        )
        for argument in schema.arguments
    )
    found = torch._C._get_operation_overload(schema.name, schema.overload_name)
    is_mutable = any(argument.is_written for argument in arguments)
    return Operation(schema.name, schema.overload_name, arguments, is_mutable, found[0] if found is not None else None)


def evaluate(operation: Operation, items: Sequence[object]) -> object:
    """What the op returns, on ``meta`` where not all elements are known; `OpError` where it cannot be called."""
    # Between two numbers the result is a number, whose value would be made up.
    if operation.name in NUMBER_OPS and any(isinstance(item, Draft) and item.tensor is not None for item in items):
        items = [_placeholder(item) for item in items]
    if any(isinstance(draft, Draft) and draft.tensor is None for item in items for draft in _flat(item)):
        raise OpError("an argument is known only at run time")
    values = [_plain(item) for item in items]
    form = FORM_ARGUMENT.get(operation.name)
    if form is not None:
        values[form] = _small_stand_in(values[form])
    on_meta = any(isinstance(x, torch.Tensor) and x.is_meta for value in values for x in _flat(value))
    if on_meta or operation.name in QUANTIZED_RULES:
        rule = QUANTIZED_RULES.get(operation.name) or RULES.get(operation.name)
        if rule is not None:
            answer = rule(dict(zip((a.name for a in operation.arguments), values, strict=False)))
            if answer is not None:
                return answer
        if operation.is_mutable and _is_overwritten(operation, values[0]):
            return values[0]
        values = [
            torch.device("meta") if isinstance(value, torch.device) and "Device" in argument.kind else value
            for argument, value in zip(operation.arguments, values, strict=False)
        ]
    try:
        return call(operation, values)
    except OpError:
        if not on_meta:
            raise
    # Some meta kernels refuse constants whose elements are known, for they live on another device.
    return call(operation, [_to_meta(value) for value in values])


def _is_overwritten(operation: Operation, target: object) -> bool:
    """Whether an in-place op writes over a tensor without elements, of which nothing changes then."""
    name = operation.name.removesuffix("_")
    return isinstance(target, torch.Tensor) and target.is_meta and (name in RULES or name in _OVERWRITES)


_OVERWRITES = frozenset({"aten::fill", "aten::copy", "aten::zero"})


def _small_stand_in(value: object) -> object:
    """A tensor with elements in place of one without, where only its type matters and it is small."""
    if isinstance(value, torch.Tensor) and value.is_meta and value.numel() <= _MAX_MADE:
        return torch.zeros((), dtype=value.dtype).expand(value.shape)
    return value


def failure(operation: Operation, items: Sequence[object]) -> str | None:
    """Why a run of the op on tensors of these types fails; None where it does not, or is not known to.

    Asked only where the op could not be typed: to tell shapes that the model cannot take from ops that PyTorch
    cannot type.
    """
    drafts = [draft for item in items for draft in _flat(item) if isinstance(draft, Draft)]
    if not drafts or any(draft.tensor is None for draft in drafts):
        return None
    if sum(draft.tensor.numel() for draft in drafts if draft.tensor is not None) > _MAX_TRIED:
        return None
    values = [_filled(_plain(item)) for item in items]
    try:
        call(operation, values)
    except OpError as error:
        is_fault = isinstance(error.__cause__, (RuntimeError, IndexError, ValueError))
        is_ours = isinstance(error.__cause__, NotImplementedError) or "Expected a value of type" in str(error)
        return str(error) if is_fault and not is_ours else None
    return None


def _filled(value: object) -> object:
    if isinstance(value, torch.Tensor) and value.is_meta:
        made = torch.ones if value.dtype.is_floating_point else torch.zeros
        return made(value.shape, dtype=value.dtype)
    if isinstance(value, (list, tuple)):
        return [_filled(part) for part in value]
    return value


def _placeholder(item: object) -> object:
    """A number of the same kind for one that is known only at run time: the op's type depends on its kind only."""
    if isinstance(item, Draft) and isinstance(item.type, OtherType):
        return {"int": 1, "float": 1.0, "bool": True}.get(item.type.name, item)
    return item


def call(operation: Operation, values: Sequence[object]) -> object:
    """Call the op on plain values."""
    if operation.function is None:
        raise OpError(f"{operation.name} cannot be called alone")
    positional = [v for a, v in zip(operation.arguments, values, strict=False) if not a.is_keyword_only]
    keywords = {a.name: v for a, v in zip(operation.arguments, values, strict=False) if a.is_keyword_only}
    try:
        return operation.function(*positional, **keywords)
    except NotImplementedError as error:
        raise OpError("PyTorch cannot tell its shape without the elements") from error
    except (RuntimeError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        raise OpError(_first_line(error)) from error


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
