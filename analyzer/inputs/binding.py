"""The inputs of ``forward``: which tensors it takes, in which lists and tables, and what it takes besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.argument_names import distinct_names, is_loadable
from nnapi_check.analyzer.inputs.arguments import Call, leaves, type_of
from nnapi_check.analyzer.inputs.options import field_names, needed_options, option_of
from nnapi_check.analyzer.inputs.specification import InputSpec, PlainSpec
from nnapi_check.analyzer.tensor_types import number_of_dtype
from nnapi_check.analyzer.torchscript import is_readable

# A tensor that stands as the default of an argument is written out in a package, so it must be small.
_MAX_DEFAULT = 4096


@dataclass(frozen=True, slots=True)
class OneTensor:
    """A tensor. ``is_optional`` says that None would do."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """No tensor, or an optional one that is not given: a value that the model is converted for."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class Row:
    """A list or a tuple of others. ``is_optional`` says that None would do."""

    name: str
    parts: tuple[Slot, ...]
    is_tuple: bool
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary of others. ``is_optional`` says that None would do."""

    name: str
    parts: Mapping[str | int, Slot]
    is_optional: bool = False


Slot = OneTensor | Fixed | Row | Table


@dataclass(frozen=True, slots=True)
class InputLayout:
    """The arguments of ``forward`` in order, the module itself left out."""

    slots: tuple[Slot, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each tensor: the argument's, and for those inside another one their place in it."""
        return tuple(name for slot in self.slots for name in _names(slot))

    def arguments(self, tensors: Sequence[object]) -> tuple[object, ...]:
        """The arguments to call ``forward`` with, from all tensors in order, or what stands for them."""
        rest = iter(tensors)
        return tuple(_filled(slot, rest) for slot in self.slots)


@dataclass(frozen=True, slots=True)
class BoundInputs:
    """What a model is captured with: the layout of its arguments, and each tensor's type and example, if any."""

    layout: InputLayout
    types: tuple[TensorType, ...]
    examples: tuple[torch.Tensor | None, ...]


def _names(slot: Slot) -> Iterator[str]:
    match slot:
        case OneTensor(name):
            yield name
        case Row(_, parts):
            for part in parts:
                yield from _names(part)
        case Table(_, table):
            for part in table.values():
                yield from _names(part)
        case Fixed():
            pass


def _filled(slot: Slot, rest: Iterator[object]) -> object:
    match slot:
        case OneTensor():
            return next(rest)
        case Row(_, parts, is_tuple):
            items = [_filled(part, rest) for part in parts]
            return tuple(items) if is_tuple else items
        case Table(_, table):
            return {key: _filled(part, rest) for key, part in table.items()}
        case Fixed(_, value):
            return value


def bind_inputs(module: torch._C.ScriptModule, call: Call | None, stored: Call | None, model: str) -> BoundInputs:
    """Bind the arguments of ``forward`` to what is given, else to what is stored with the model, else to defaults."""
    arguments = module._get_method("forward").schema.arguments[1:]
    names = distinct_names(argument.name for argument in arguments)
    for name in names:
        if not is_loadable(name):
            raise InputError(
                f"Input {name!r} of the model has a name that PyTorch cannot load from a file; rename it in forward."
            )
    wanted = [_Wanted(name, argument) for name, argument in zip(names, arguments, strict=True)]
    given = call if call is not None else stored
    if given is None:
        if any(item.is_required for item in wanted):
            raise InputError(f"{model} holds no example inputs, so their shapes must be given: {_options(wanted)}.")
        given = Call()
    binding = _Binding(wanted)
    slots = tuple(binding.slot(item, value) for item, value in binding.assigned(given, is_stored=call is None))
    return BoundInputs(InputLayout(slots), tuple(binding.types), tuple(binding.examples))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One argument of ``forward``."""

    name: str
    argument: torch._C.Argument

    @property
    def kind(self) -> torch._C.JitType:
        return self.argument.type

    @property
    def is_required(self) -> bool:
        return not self.argument.has_default_value() and not isinstance(
            self.kind, (torch._C.OptionalType, torch._C.NoneType)
        )


class _Missing:
    """What stands for an argument that is not given."""


_MISSING = _Missing()


def _options(wanted: Sequence[_Wanted]) -> str:
    return needed_options([(item.name, item.kind) for item in wanted if item.is_required])


@dataclass(slots=True)
class _Binding:
    wanted: Sequence[_Wanted]
    types: list[TensorType] = field(default_factory=list)
    examples: list[torch.Tensor | None] = field(default_factory=list)

    def assigned(self, call: Call, *, is_stored: bool) -> list[tuple[_Wanted, object]]:
        """What each argument is given."""
        known = [item.name for item in self.wanted]
        for name in call.named:
            if name not in known:
                raise InputError(f"The model has no input '{name}'; its inputs are {', '.join(known) or 'none'}.")
        open_ = [item for item in self.wanted if item.name not in call.named]
        positional = list(call.positional)
        are_tensors = all(type_of_leaf(leaf) is not None for item in positional for leaf in leaves(item))
        if not _fit(open_, positional) and (are_tensors or len(positional) > len(open_)):
            positional = self._spread(open_, positional, is_stored=is_stored)
        by_name = {**dict(zip((item.name for item in open_), positional, strict=False)), **call.named}
        missing = [item.name for item in self.wanted if item.is_required and item.name not in by_name]
        if missing:
            count = len(by_name)
            raise InputError(
                f"The number of inputs is {len(known)} ({', '.join(known)}), but {count} {_are(count)} given; "
                f"pass {_options(self.wanted)}."
            )
        return [(item, by_name.get(item.name, _MISSING)) for item in self.wanted]

    def _spread(self, open_: Sequence[_Wanted], flat: Sequence[object], *, is_stored: bool) -> list[object]:
        """Tensors that are given one after the other, spread over the arguments that take tensors."""
        rest = [leaf for item in flat for leaf in leaves(item)]
        needed = [_needed(item.kind) if item.is_required else 0 for item in open_]
        spare = len(rest) - sum(needed)
        found: list[object] = []
        for item, count in zip(open_, needed, strict=True):
            more = min(spare, _flexible(item.kind, count)) if spare > 0 else 0
            spare -= more
            taken, rest = rest[: count + more], rest[count + more :]
            found.append(_arranged(item.kind, taken) if count + more else _MISSING)
        if rest or spare < 0 or any(type_of_leaf(leaf) is None for item in flat for leaf in leaves(item)):
            names = [item.name for item in self.wanted]
            count = sum(1 for item in flat for _ in leaves(item))
            told = f"{count} {_are(count)} stored with it" if is_stored else f"{count} {_are(count)} given"
            raise InputError(
                f"The number of inputs is {len(names)} ({', '.join(names) or 'none'}), but {told}; "
                f"pass {_options(self.wanted)}."
            )
        return found

    def slot(self, wanted: _Wanted, given: object) -> Slot:
        """How an argument is passed."""
        if not isinstance(given, _Missing):
            return self.bound(wanted.name, wanted.kind, given)
        if not wanted.argument.has_default_value():
            return Fixed(wanted.name, None)
        if not is_readable(wanted.kind):
            raise _not_taken(wanted.name, wanted.kind)
        default = wanted.argument.default_value
        if isinstance(default, torch.Tensor) and default.numel() > _MAX_DEFAULT:
            raise InputError(
                f"Input '{wanted.name}' has a default of {default.numel():,} elements, which is too large to keep; "
                f"give it: {option_of(wanted.name, wanted.kind)}."
            )
        return self.bound(wanted.name, wanted.kind, default)

    def bound(self, name: str, kind: torch._C.JitType, given: object, *, is_optional: bool = False) -> Slot:
        """How what is given is passed as something of a type."""
        item = given.value if isinstance(given, PlainSpec) else given
        match kind:
            case torch._C.OptionalType():
                if item is None:
                    return Fixed(name, None)
                return self.bound(name, kind.getElementType(), item, is_optional=True)
            case torch._C.TensorType():
                return self._tensor(name, item, is_optional=is_optional)
            case torch._C.ListType():
                parts = _parts(name, kind, item)
                inner = kind.getElementType()
                slots = tuple(self.bound(f"{name}.{place}", inner, part) for place, part in enumerate(parts))
                return Row(name, slots, is_tuple=False, is_optional=is_optional)
            case torch._C.TupleType():
                return self._tuple(name, kind, item, is_optional=is_optional)
            case torch._C.DictType():
                return self._table(name, kind, item, is_optional=is_optional)
            case _:
                return Fixed(name, _plain_value(name, kind, item))

    def _tensor(self, name: str, item: object, *, is_optional: bool) -> Slot:
        kind = type_of(item)
        if kind is None:
            raise _misfit(name, "a tensor", item, option_of(name, torch._C.TensorType.get()))
        self.types.append(kind)
        self.examples.append(item if isinstance(item, torch.Tensor) and not item.is_meta else None)
        return OneTensor(name, is_optional)

    def _tuple(self, name: str, kind: torch._C.TupleType, item: object, *, is_optional: bool) -> Slot:
        inner = kind.elements()
        fields = field_names(kind)
        parts = _parts(name, kind, item, fields)
        if len(parts) != len(inner):
            raise _misfit(name, f"{len(inner)} parts", item, option_of(name, kind))
        places = fields or tuple(map(str, range(len(inner))))
        slots = [self.bound(f"{name}.{place}", k, part) for place, k, part in zip(places, inner, parts, strict=True)]
        return Row(name, tuple(slots), is_tuple=True, is_optional=is_optional)

    def _table(self, name: str, kind: torch._C.DictType, item: object, *, is_optional: bool) -> Slot:
        key = str(kind.getKeyType())
        if key not in ("str", "int"):
            raise InputError(
                f"Input '{name}' is a dictionary with keys of type {key}; only str and int can be converted."
            )
        if not isinstance(item, dict):
            raise _misfit(name, "a dictionary", item, option_of(name, kind))
        table = {}
        for given, part in item.items():
            if key == "int" and isinstance(given, str) and not given.lstrip("-").isdigit():
                raise _misfit(name, "keys that are whole numbers", given, option_of(name, kind))
            place = int(given) if key == "int" else str(given)
            table[place] = self.bound(f"{name}.{place}", kind.getValueType(), part)
        return Table(name, table, is_optional)


def type_of_leaf(leaf: object) -> TensorType | None:
    """The type of a leaf that stands for a tensor; None for every other one."""
    return None if isinstance(leaf, str) else type_of(leaf)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _fit(wanted: Sequence[_Wanted], positional: Sequence[object]) -> bool:
    """Whether the arguments stand as they are passed: none too many, and no tensor where something else is wanted."""
    if len(positional) > len(wanted):
        return False
    return all(_takes(item.kind, given) for item, given in zip(wanted, positional, strict=False))


def _takes(kind: torch._C.JitType, given: object) -> bool:
    is_tensor = type_of_leaf(given) is not None
    if isinstance(kind, torch._C.OptionalType):
        return (
            given is None
            or (isinstance(given, PlainSpec) and given.value is None)
            or _takes(kind.getElementType(), given)
        )
    return is_tensor == isinstance(kind, torch._C.TensorType) or isinstance(given, str)


def _needed(kind: torch._C.JitType) -> int:
    """The number of tensors that an argument must have."""
    match kind:
        case torch._C.TensorType():
            return 1
        case torch._C.ListType() if isinstance(kind.getElementType(), torch._C.TensorType):
            return 1
        case torch._C.TupleType():
            return sum(_needed(part) for part in kind.elements())
        case _:
            return 0


def _flexible(kind: torch._C.JitType, needed: int) -> int:
    """How many more tensors than it must have an argument may take."""
    match kind:
        case torch._C.ListType() if isinstance(kind.getElementType(), torch._C.TensorType):
            return 1 << 30
        case torch._C.OptionalType():
            return 1 if isinstance(kind.getElementType(), torch._C.TensorType) else 0
        case _:
            return _needed(kind) - needed


def _arranged(kind: torch._C.JitType, flat: list[object]) -> object:
    match kind:
        case torch._C.OptionalType() | torch._C.TensorType():
            return flat[0]
        case torch._C.TupleType():
            rest, parts = list(flat), []
            for part in kind.elements():
                count = _needed(part)
                parts.append(_arranged(part, rest[:count]))
                rest = rest[count:]
            return tuple(parts)
        case _:
            return flat


def _parts(name: str, kind: torch._C.JitType, item: object, fields: tuple[str, ...] = ()) -> list[object]:
    """The parts of a list or tuple, which may be given by their places or by the names of fields."""
    if isinstance(item, (list, tuple)):
        return list(item)
    if isinstance(item, dict):
        if fields and set(item) == set(fields):
            return [item[place] for place in fields]
        if {str(key) for key in item} == {str(place) for place in range(len(item))}:
            by_place = {str(key): part for key, part in item.items()}
            return [by_place[str(place)] for place in range(len(item))]
    raise _misfit(name, "a list" if isinstance(kind, torch._C.ListType) else "a tuple", item, option_of(name, kind))


def _misfit(name: str, wanted: str, found: object, option: str) -> InputError:
    what = type(found).__name__ if not isinstance(found, (PlainSpec, InputSpec)) else "a specification"
    return InputError(f"Input '{name}' of the model must be {wanted}, but {what} is given; pass {option}.")


def _plain_value(name: str, kind: torch._C.JitType, item: object) -> object:
    """A number, truth value or text, as its type wants it."""
    wanted = str(kind)
    match item:
        case bool() if wanted in ("bool", "Scalar", "number"):
            return item
        case int() if wanted in ("int", "Scalar", "number") and not isinstance(item, bool):
            return item
        case int() | float() if wanted == "float" and not isinstance(item, bool):
            return float(item)
        case torch.dtype() if wanted == "int" and number_of_dtype(item) is not None:
            return number_of_dtype(item)
        case int() | float() | complex() if wanted == "complex" and not isinstance(item, bool):
            return complex(item)
        case float() | complex() if wanted in ("Scalar", "number"):
            return item
        case str() if wanted == "str":
            return item
        case torch.device() | None if wanted == ("NoneType" if item is None else "Device"):
            return item
        case _:
            pass
    if wanted in ("int", "bool", "float", "str", "Scalar", "number"):
        raise _misfit(name, f"of type {wanted}", item, option_of(name, kind))
    raise _not_taken(name, kind)


def _not_taken(name: str, kind: torch._C.JitType) -> InputError:
    return InputError(
        f"Input '{name}' of the model is of type {kind.annotation_str}, which a converted model cannot take; "
        "wrap the model in a module that makes it from tensors."
    )
