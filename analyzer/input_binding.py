"""The inputs of ``forward``: which tensors it takes, in which lists, and what it takes besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from analyzer.argument_names import distinct_names, is_loadable
from analyzer.drafts import Draft
from analyzer.errors import InputError
from analyzer.graph import GraphInput, TensorType
from analyzer.input_spec import InputSpec, needed_options, order_by_name
from analyzer.tensor_types import empty_like_type


@dataclass(frozen=True, slots=True)
class OneTensor:
    """The argument is a tensor."""

    name: str


@dataclass(frozen=True, slots=True)
class Tensors:
    """The argument is a list or tuple of ``count`` tensors."""

    name: str
    count: int
    is_tuple: bool


@dataclass(frozen=True, slots=True)
class Fixed:
    """The argument is no tensor, or an optional one that is not given: its default."""

    name: str
    value: object


Slot = OneTensor | Tensors | Fixed


@dataclass(frozen=True, slots=True)
class InputLayout:
    """The arguments of ``forward`` in order, the module itself left out."""

    slots: tuple[Slot, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each tensor: the argument's, with its place for those in a list."""
        names: list[str] = []
        for slot in self.slots:
            match slot:
                case OneTensor(name):
                    names.append(name)
                case Tensors(name, count):
                    names.extend(f"{name}.{index}" for index in range(count))
                case Fixed():
                    pass
        return tuple(names)

    def arguments(self, tensors: Sequence[torch.Tensor]) -> tuple[object, ...]:
        """The arguments to call ``forward`` with, from all tensors in order."""
        rest = list(tensors)
        found: list[object] = []
        for slot in self.slots:
            match slot:
                case OneTensor():
                    found.append(rest.pop(0))
                case Tensors(_, count, is_tuple):
                    group, rest = rest[:count], rest[count:]
                    found.append(tuple(group) if is_tuple else group)
                case Fixed(_, value):
                    found.append(value)
        return tuple(found)


def layout_of(module: torch._C.ScriptModule, graph: torch._C.Graph, given: int | None) -> InputLayout:
    """The layout of ``forward`` where ``given`` tensors are passed; None stands for as many as it must have."""
    arguments = module._get_method("forward").schema.arguments[1:]
    values = list(graph.inputs())[1:]
    kinds = [_kind(value.type()) for value in values]
    needed = sum(count for count, _ in kinds)
    spare = max(0, given - needed) if given is not None else 0
    slots: list[Slot] = []
    names = distinct_names(argument.name for argument in arguments)
    for argument, name, value, (count, is_flexible) in zip(arguments, names, values, kinds, strict=True):
        if not is_loadable(name):
            raise InputError(
                f"Input {name!r} of the model has a name that PyTorch cannot load from a file; rename it in forward."
            )
        kind = value.type().kind()
        extra = spare if is_flexible and (kind == "ListType" or spare) else 0
        if kind == "OptionalType":
            extra = min(extra, 1)
        spare -= extra
        if count + extra == 0:
            slots.append(Fixed(name, _default(argument, kind)))
        elif kind in ("TensorType", "OptionalType"):
            slots.append(OneTensor(name))
        else:
            slots.append(Tensors(name, count + extra, is_tuple=kind == "TupleType"))
    return InputLayout(tuple(slots))


def _kind(kind: torch._C.JitType) -> tuple[int, bool]:
    """The number of tensors an argument of this type must have, and whether it may have more."""
    match kind:
        case torch._C.TensorType():
            return 1, False
        case torch._C.ListType() if isinstance(kind.getElementType(), torch._C.TensorType):
            return 1, True
        case torch._C.TupleType() if all(isinstance(part, torch._C.TensorType) for part in kind.elements()):
            return len(kind.elements()), False
        case torch._C.OptionalType():
            return 0, isinstance(kind.getElementType(), torch._C.TensorType)
        case _:
            return 0, False


def _default(argument: torch._C.Argument, kind: str) -> object:
    if argument.has_default_value():
        return argument.default_value
    if kind in ("OptionalType", "NoneType"):
        return None
    raise InputError(
        f"Input '{argument.name}' of the model is no tensor ({argument.type}) and has no default; "
        "give it one in forward, or wrap the model in a module that sets it."
    )


def choose_types(
    layout: InputLayout, given: Sequence[InputSpec] | None, stored: Sequence[TensorType] | None, model: str
) -> tuple[TensorType, ...]:
    """The types of all inputs: those given, else those stored with the model."""
    names = layout.names
    if given is not None:
        return tuple(spec.type for spec in order_by_name(given, names))
    if stored is None:
        raise InputError(f"{model} holds no example inputs, so their shapes must be given: {needed_options(names)}.")
    if len(stored) != len(names):
        raise InputError(
            f"The number of inputs of {model} is {len(names)} ({', '.join(names)}), "
            f"but {len(stored)} are stored with it; give them: {needed_options(names)}."
        )
    return tuple(stored)


def input_items(
    layout: InputLayout, graph: torch._C.Graph, types: Sequence[TensorType]
) -> tuple[list[Draft], list[tuple[torch._C.Value, object]]]:
    """The drafts of all input tensors, and what is known of each input of the graph."""
    drafts: list[Draft] = []
    items: list[tuple[torch._C.Value, object]] = []
    names = layout.names
    for value, slot in zip(list(graph.inputs())[1:], layout.slots, strict=True):
        count = {OneTensor: 1, Fixed: 0}.get(type(slot), slot.count if isinstance(slot, Tensors) else 0)
        start = len(drafts)
        for index in range(start, start + count):
            kind = types[index]
            tensor = empty_like_type(kind, device="meta")
            drafts.append(Draft(value, kind, tensor, GraphInput(index, names[index]), is_constant=False))
        made = drafts[start:]
        match slot:
            case OneTensor():
                items.append((value, made[0]))
            case Tensors(_, _, is_tuple):
                items.append((value, tuple(made) if is_tuple else made))
            case Fixed(_, default):
                items.append((value, default))
    return drafts, items
