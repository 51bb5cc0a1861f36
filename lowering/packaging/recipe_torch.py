"""Recipes in PyTorch, in two ways that agree: computed at once, and as TorchScript that a package runs later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch

from nnapi_check.analyzer.graph import ElementType, Graph, TensorType
from nnapi_check.analyzer.tensor_types import element_type, empty_like_type, torch_dtype
from nnapi_check.lowering.emission.recipe_types import FLOAT_TYPES, RecipeError
from nnapi_check.lowering.emission.recipes import (
    Call,
    Inline,
    PackedValue,
    Recipe,
    RecipeArgument,
    Weight,
    leaves,
    steps,
)
from nnapi_check.lowering.nnapi.interpreter.kernels import Array

TensorOf: TypeAlias = Callable[[int], object]
"""Gives the constant that a value of the graph has, by its id: a tensor, or a packed object."""


def evaluate(recipe: Recipe, tensor_of: TensorOf) -> torch.Tensor:
    """Compute a recipe now. The result is contiguous, and has the shape and element type that the recipe declares."""
    leaf_tensors = {
        leaf.value: tensor_of(leaf.value) for leaf in leaves(recipe) if isinstance(leaf, Weight | PackedValue)
    }
    return _evaluate(recipe, leaf_tensors)


def check_declared(recipe: Recipe, graph: Graph) -> None:
    """Raise ``RecipeError`` unless a recipe of this graph gives the shape and type it declares. No weight is read.

    What a recipe that reads packed parameters gives is not known before it runs.
    """
    found = list(steps(recipe))
    forms: dict[int, TensorType] = {}
    for step in found:
        if isinstance(step, Weight):
            kind = TensorType(step.dtype, step.shape, step.quant)
            if graph.type_of(step.value) != kind:
                raise RecipeError(f"value {step.value} is {graph.type_of(step.value)}, the recipe declares {step}")
            forms[step.value] = kind
    has_claims = any(isinstance(step, Call) and step.is_claim for step in found)
    if has_claims and not any(isinstance(step, PackedValue) for step in found):
        # Not on "meta": for that, PyTorch loads its compiler, which takes seconds.
        evaluate(recipe, lambda value: _stand_in(forms[value]))


def _stand_in(kind: TensorType) -> torch.Tensor:
    """A tensor of this type, whose whole numbers are zero: as indices they must be in range."""
    found = empty_like_type(kind, device="cpu")
    return found if kind.dtype in FLOAT_TYPES or found.is_quantized else found.zero_()


def stored(tensor: torch.Tensor) -> Array:
    """The stored numbers of a tensor: integers where it is quantized."""
    plain = tensor.int_repr() if tensor.is_quantized else tensor.detach()
    return np.ascontiguousarray(plain.numpy())


def tensor_from_bytes(data: bytes, dtype: ElementType, shape: tuple[int, ...]) -> torch.Tensor:
    """A new tensor from little-endian, row-major bytes."""
    if not data:
        return torch.empty(shape, dtype=torch_dtype(dtype))
    return torch.frombuffer(bytearray(data), dtype=torch_dtype(dtype)).reshape(shape)


def _evaluate(recipe: Recipe, leaf_tensors: Mapping[int, object]) -> torch.Tensor:
    def value_of(argument: RecipeArgument) -> object:
        match argument:
            case Weight(value):
                return checked(argument, leaf_tensors[value])
            case PackedValue(value):
                return leaf_tensors[value]
            case Inline(data, dtype, shape):
                return tensor_from_bytes(data, dtype, shape)
            case Call():
                return checked(argument, called(argument))
            case tuple():
                return [value_of(part) for part in argument]
            case ElementType():
                return torch_dtype(argument)
            case _:
                return argument

    def called(call: Call) -> object:
        positional, keywords = _arranged(call)
        options = {name: value_of(argument) for name, argument in keywords.items()}
        result = _op(call.op)(*(value_of(argument) for argument in positional), **options)
        return result[call.output] if isinstance(result, tuple | list) else result

    def checked(source: Weight | Call, found: object) -> torch.Tensor:
        name = source.op if isinstance(source, Call) else f"value {source.value}"
        if not isinstance(found, torch.Tensor):
            raise RecipeError(f"{name}: gives {type(found).__name__}, wanted a tensor")
        if tuple(found.shape) != source.shape or element_type(found.dtype) is not source.dtype:
            raise RecipeError(
                f"{name}: gives {found.dtype} of shape {tuple(found.shape)}, "
                f"the recipe declares {source.dtype.value} of shape {source.shape}"
            )
        return found

    with torch.no_grad():
        result = value_of(recipe)
        if not isinstance(result, torch.Tensor):
            raise RecipeError(f"the recipe gives {type(result).__name__}, wanted a tensor")
        return result.detach().contiguous()


def _op(name: str) -> torch._ops.OpOverload:
    """An op by its dotted name: namespace, name, overload."""
    found: object = torch.ops
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise RecipeError(f"{name}: PyTorch has no such op, wanted namespace, name and overload")
    return found


def _arranged(call: Call) -> tuple[list[RecipeArgument], dict[str, RecipeArgument]]:
    """A call's arguments, those apart that the op takes by name only."""
    schema = _op(call.op)._schema.arguments
    if len(call.arguments) > len(schema):
        raise RecipeError(f"{call.op}: {len(call.arguments)} arguments, it takes {len(schema)}")
    named = {known.name: given for known, given in zip(schema, call.arguments, strict=False) if known.kwarg_only}
    return [given for known, given in zip(schema, call.arguments, strict=False) if not known.kwarg_only], named


class SourceWriter:
    """Writes recipes as straight TorchScript lines, each distinct expression once.

    ``weight_source`` and ``inline_source`` give the expressions that read a value of the graph and an inline tensor.
    """

    def __init__(
        self,
        weight_source: Callable[[Weight | PackedValue], str],
        inline_source: Callable[[Inline], str],
    ) -> None:
        self._weight_source = weight_source
        self._inline_source = inline_source
        self._names: dict[Recipe | PackedValue, str] = {}
        self._finished: dict[Recipe, str] = {}
        self.lines: list[str] = []

    def write(self, recipe: Recipe) -> str:
        """Add the lines that compute a recipe, and return the name of its contiguous result."""
        name = self._finished.get(recipe)
        if name is None:
            name = self._finished[recipe] = self._assign(f"{self._name_of(recipe)}.contiguous()")
        return name

    def _assign(self, expression: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def _name_of(self, source: Recipe | PackedValue) -> str:
        name = self._names.get(source)
        if name is None:
            name = self._names[source] = self._assign(self._expression(source))
        return name

    def _expression(self, source: Recipe | PackedValue) -> str:
        match source:
            case Weight() | PackedValue():
                return self._weight_source(source)
            case Inline():
                return self._inline_source(source)
            case Call():
                return self._call(source)

    def _call(self, call: Call) -> str:
        namespace, name = call.op.split(".")[:2]
        positional, keywords = _arranged(call)
        given = [self._argument(argument) for argument in positional]
        given += [f"{keyword}={self._argument(argument)}" for keyword, argument in keywords.items()]
        schema = _op(call.op)._schema
        is_of_tensor = bool(positional) and isinstance(positional[0], Weight | Inline | Call)
        is_method = namespace == "aten" and is_of_tensor and schema.arguments[0].name == "self"
        # Methods of tensors compile several times faster than functions, which are looked up in Python.
        source = (
            f"{given[0]}.{name}({', '.join(given[1:])})"
            if is_method
            else f"torch.ops.{namespace}.{name}({', '.join(given)})"
        )
        returns = schema.returns
        if len(returns) > 1:
            source += f"[{call.output}]"
        elif isinstance(returns[0].type, torch.ListType):
            return f"{source}[{call.output}]"
        is_optional = isinstance(returns[min(call.output, len(returns) - 1)].type, torch.OptionalType)
        return f"torch.ops.aten._unwrap_optional({source})" if is_optional else source

    def _argument(self, argument: RecipeArgument) -> str:
        match argument:
            case Weight() | Inline() | Call() | PackedValue():
                return self._name_of(argument)
            case tuple():
                return f"[{', '.join(map(self._argument, argument))}]"
            case _:
                return _source(argument)


def _source(argument: RecipeArgument) -> str:
    match argument:
        case ElementType():
            return str(torch_dtype(argument))
        case float() if argument in (float("inf"), float("-inf")) or argument != argument:
            return f'float("{argument}")'
        case tuple():
            return f"[{', '.join(map(_source, argument))}]"
        case _:
            return repr(argument)
