"""How a constant of an NNAPI model is made from the captured module's own weights.

A ``Recipe`` is a small expression: leaves are weights of the captured graph or bytes, the rest are calls of ATen ops.
A package keeps recipes as TorchScript, which runs when NNAPI is initialized, so every weight is stored once.
Nothing here reads a weight or knows PyTorch: shapes and element types are tracked beside the expression.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod

from nnapi_check.analyzer.graph import (
    NOT_QUANTIZED,
    ElementType,
    NotQuantized,
    PerChannel,
    PerTensor,
    Quantization,
    TensorType,
)
from nnapi_check.analyzer.nnapi_types import single_precision
from nnapi_check.lowering.emission.recipe_types import (
    FLOAT_TYPES,
    PLAIN_TYPES,
    STORED_TYPES,
    RecipeError,
    Shape,
    broadcast,
    element_size,
)


class _Expression:
    """The ways to make a new recipe from one."""

    __slots__ = ()

    shape: Shape
    dtype: ElementType
    quant: Quantization

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def byte_length(self) -> int:
        """The number of bytes that the finished tensor takes."""
        return element_size(self.dtype) * prod(self.shape)

    def permute(self, *dims: int) -> Recipe:
        """Put dimension ``dims[i]`` at place ``i``."""
        order = tuple(self._axis(dim, "permute") for dim in dims)
        if sorted(order) != list(range(self.rank)):
            raise RecipeError(f"permute: dims are {dims}, wanted each of {self.rank} dimensions once")
        if order == tuple(range(self.rank)):
            return self._recipe()
        return self._moved("aten.permute.default", (order,), tuple(self.shape[dim] for dim in order), order.index)

    def transpose(self, first: int, second: int) -> Recipe:
        """Swap two dimensions."""
        order = list(range(self.rank))
        a, b = self._axis(first, "transpose"), self._axis(second, "transpose")
        order[a], order[b] = order[b], order[a]
        return self.permute(*order)

    def reshape(self, *shape: int) -> Recipe:
        """The same elements in another shape; one dimension may be -1 and follows from the others."""
        wanted = shape
        if shape.count(-1) == 1:
            known = prod(size for size in shape if size != -1)
            rest = prod(self.shape) // known if known else 0
            wanted = tuple(rest if size == -1 else size for size in shape)
        if min(wanted, default=0) < 0 or prod(wanted) != prod(self.shape):
            raise RecipeError(f"reshape: {self.shape} has {prod(self.shape)} elements, wanted shape {shape}")
        if wanted == self.shape:
            return self._recipe()
        return self._moved("aten.reshape.default", (wanted,), wanted, lambda axis: self._place_in(wanted, axis))

    def unsqueeze(self, dim: int) -> Recipe:
        """Add a dimension of size 1 at ``dim``."""
        place = dim + self.rank + 1 if dim < 0 else dim
        if not 0 <= place <= self.rank:
            raise RecipeError(f"unsqueeze: dim is {dim}, the rank is {self.rank}")
        return self.reshape(*self.shape[:place], 1, *self.shape[place:])

    def flatten(self) -> Recipe:
        """All elements in one dimension."""
        return self.reshape(prod(self.shape))

    def expand(self, *shape: int) -> Recipe:
        """Repeat dimensions of size 1, and add leading ones, to get ``shape``."""
        if broadcast(self.shape, shape) != shape:
            raise RecipeError(f"expand: {self.shape} does not broadcast to {shape}")
        return self._recipe() if shape == self.shape else self._call("aten.expand.default", (shape,), shape)

    def flip(self, *dims: int) -> Recipe:
        """Reverse the order of the elements along ``dims``."""
        return self._call("aten.flip.default", (tuple(self._axis(dim, "flip") for dim in dims),), self.shape)

    def select(self, dim: int, index: int) -> Recipe:
        """The slice number ``index`` along ``dim``, without that dimension."""
        place = self._axis(dim, "select")
        if not -self.shape[place] <= index < self.shape[place]:
            raise RecipeError(f"select: index is {index}, dimension {dim} has size {self.shape[place]}")
        return self._call("aten.select.int", (place, index), self.shape[:place] + self.shape[place + 1 :])

    def slice(self, dim: int, start: int, stop: int, step: int = 1) -> Recipe:
        """Elements ``start`` up to ``stop`` (left out) along ``dim``, every ``step``-th one."""
        place = self._axis(dim, "slice")
        if step < 1:
            raise RecipeError(f"slice: step is {step}, wanted at least 1")
        size = len(range(*slice(start, stop, step).indices(self.shape[place])))
        shape = (*self.shape[:place], size, *self.shape[place + 1 :])
        return self._call("aten.slice.Tensor", (place, start, stop, step), shape)

    def sum(self, *dims: int, keepdim: bool = False) -> Recipe:
        """The sum over ``dims``."""
        axes = tuple(self._axis(dim, "sum") for dim in dims)
        if not axes or self.dtype not in FLOAT_TYPES:
            raise RecipeError(f"sum: dims are {dims} and elements {self.dtype.value}, wanted dims and floats")
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape) if keepdim or axis not in axes)
        return self._call("aten.sum.dim_IntList", (axes, keepdim), kept)

    def sqrt(self) -> Recipe:
        """The square root of each element."""
        return self._float_call("aten.sqrt.default")

    def rsqrt(self) -> Recipe:
        """One over the square root of each element."""
        return self._float_call("aten.rsqrt.default")

    def reciprocal(self) -> Recipe:
        """One over each element."""
        return self._float_call("aten.reciprocal.default")

    def exp(self) -> Recipe:
        """e to the power of each element."""
        return self._float_call("aten.exp.default")

    def round(self) -> Recipe:
        """The nearest whole number of each element, half to even."""
        return self._float_call("aten.round.default")

    def clamp(self, low: float, high: float) -> Recipe:
        """Each element, but at least ``low`` and at most ``high``."""
        self._demand_plain("clamp")
        return self._call("aten.clamp.default", (low, high), self.shape)

    def cast(self, dtype: ElementType) -> Recipe:
        """The same numbers as elements of another type, cut towards zero where that type has whole numbers only."""
        self._demand_plain("cast")
        if dtype not in PLAIN_TYPES:
            raise RecipeError(f"cast: {dtype.value} is no type of plain numbers")
        return self._recipe() if dtype is self.dtype else self._call("aten.to.dtype", (dtype,), self.shape, dtype)

    def integers(self) -> Recipe:
        """The stored integers of a quantized tensor, in their own signedness."""
        stored = STORED_TYPES.get(self.dtype)
        if stored is None:
            raise RecipeError(f"integers: the elements are {self.dtype.value}, wanted a quantized type")
        return self._call("aten.int_repr.default", (), self.shape, stored)

    def quantized_storage(self) -> Recipe:
        """The stored integers of a quantized tensor as QUANT8_ASYMM has them.

        Signed integers are shifted by 128 to unsigned ones, so the operand's zero point is 128 higher.
        """
        if self.dtype is not ElementType.QINT8:
            return self.integers()
        return (self.integers().cast(ElementType.INT16) + 128).cast(ElementType.UINT8)

    def dequantize(self) -> Recipe:
        """The real numbers of a quantized tensor."""
        if self.dtype not in STORED_TYPES:
            raise RecipeError(f"dequantize: the elements are {self.dtype.value}, wanted a quantized type")
        return self._call("aten.dequantize.self", (), self.shape, ElementType.FLOAT32)

    def quantized_bias(self, scale: float) -> Recipe:
        """A float bias as INT32 of the given scale and zero point 0, in range.

        It is multiplied by the inverse of the scale, both in float32, and rounded half to even: to the last bit as
        PyTorch's own kernels quantize a bias, which differs from a division by one step for some large biases.
        """
        inverse = single_precision(1.0 / single_precision(scale))
        steps = (self.cast(ElementType.FLOAT32) * inverse).round().cast(ElementType.FLOAT64)
        return steps.clamp(-2147483648.0, 2147483647.0).cast(ElementType.INT32)

    def quantized_bias_per_channel(self, scales: tuple[float, ...]) -> Recipe:
        """The same with a scale for each element."""
        inverses = [single_precision(1.0 / single_precision(scale)) for scale in scales]
        row = Inline(struct.pack(f"<{len(inverses)}f", *inverses), ElementType.FLOAT32, (len(inverses),))
        steps = (self.cast(ElementType.FLOAT32) * row).round().cast(ElementType.FLOAT64)
        return steps.clamp(-2147483648.0, 2147483647.0).cast(ElementType.INT32)

    def __add__(self, other: Recipe | float) -> Recipe:
        return self._arithmetic("aten.add", other)

    def __sub__(self, other: Recipe | float) -> Recipe:
        return self._arithmetic("aten.sub", other)

    def __mul__(self, other: Recipe | float) -> Recipe:
        return self._arithmetic("aten.mul", other)

    def __truediv__(self, other: Recipe | float) -> Recipe:
        if self.dtype not in FLOAT_TYPES:
            raise RecipeError(f"division: the elements are {self.dtype.value}, wanted floats")
        return self._arithmetic("aten.div", other)

    def __radd__(self, other: float) -> Recipe:
        return self + other

    def __rmul__(self, other: float) -> Recipe:
        return self * other

    def __rsub__(self, other: float) -> Recipe:
        return -self + other

    def __neg__(self) -> Recipe:
        self._demand_plain("neg")
        return self._call("aten.neg.default", (), self.shape)

    def _recipe(self) -> Recipe:
        if isinstance(self, Weight | Inline | Call):
            return self
        raise RecipeError(f"{type(self).__name__} is no recipe")

    def _call(
        self, op: str, arguments: tuple[RecipeArgument, ...], shape: Shape, dtype: ElementType | None = None
    ) -> Recipe:
        return Call(op, (self._recipe(), *arguments), shape, dtype or self.dtype, _kept_quantization(self, dtype))

    def _moved(
        self, op: str, arguments: tuple[RecipeArgument, ...], shape: Shape, place_of: Callable[[int], int]
    ) -> Recipe:
        """A rearrangement after which dimension ``axis`` stands at ``place_of(axis)``.

        PyTorch rearranges no tensor quantized per channel, so its integers are taken, and its scales go with them.
        """
        if not isinstance(self.quant, PerChannel):
            return self._call(op, arguments, shape)
        stored = self.integers() if self.dtype in STORED_TYPES else self._recipe()
        quant = replace(self.quant, axis=place_of(self.quant.axis))
        return Call(op, (stored, *arguments), shape, stored.dtype, quant)

    def _place_in(self, shape: Shape, axis: int) -> int:
        """Where dimension ``axis`` stands after a reshape that leaves it whole."""
        before, size = prod(self.shape[:axis]), self.shape[axis]
        for place, extent in enumerate(shape):
            if extent == size and prod(shape[:place]) == before:
                return place
        raise RecipeError(f"reshape: {shape} does not keep dimension {axis} of {self.shape}, which has the scales")

    def _float_call(self, op: str) -> Recipe:
        if self.dtype not in FLOAT_TYPES:
            raise RecipeError(f"{op}: the elements are {self.dtype.value}, wanted floats")
        return self._call(op, (), self.shape)

    def _arithmetic(self, op: str, other: Recipe | float) -> Recipe:
        self._demand_plain(op)
        if isinstance(other, int | float):
            if isinstance(other, float) and self.dtype not in FLOAT_TYPES:
                raise RecipeError(f"{op}: {other} is no whole number, the elements are {self.dtype.value}")
            return self._call(f"{op}.Scalar", (other,), self.shape)
        if other.dtype is not self.dtype:
            raise RecipeError(
                f"{op}: the elements are {self.dtype.value} and {other.dtype.value}, wanted the same type"
            )
        return self._call(f"{op}.Tensor", (other,), broadcast(self.shape, other.shape))

    def _demand_plain(self, op: str) -> None:
        if self.dtype in STORED_TYPES:
            raise RecipeError(f"{op}: the elements are {self.dtype.value}, wanted plain numbers (see integers())")

    def _axis(self, dim: int, op: str) -> int:
        if not -self.rank <= dim < self.rank:
            raise RecipeError(f"{op}: dim is {dim}, the rank is {self.rank}")
        return dim % self.rank


@dataclass(frozen=True, slots=True)
class Weight(_Expression):
    """A tensor value of the captured graph that depends on no input, by its id."""

    value: int
    shape: Shape
    dtype: ElementType
    quant: Quantization = NOT_QUANTIZED


@dataclass(frozen=True, slots=True)
class Inline(_Expression):
    """A tensor given by its bytes: little-endian, row-major."""

    data: bytes
    dtype: ElementType
    shape: Shape
    quant: Quantization = NOT_QUANTIZED

    def __post_init__(self) -> None:
        if self.dtype in STORED_TYPES:
            raise RecipeError(f"inline data: the elements are {self.dtype.value}, wanted plain numbers")
        if len(self.data) != self.byte_length:
            raise RecipeError(f"inline data: {len(self.data)} bytes, shape {self.shape} wants {self.byte_length}")


@dataclass(frozen=True, slots=True)
class PackedValue:
    """A value of the captured graph that is no tensor, such as the packed parameters of a quantized op, by its id."""

    value: int


@dataclass(frozen=True, slots=True)
class Call(_Expression):
    """Output number ``output`` of an op, named by its overload, whose ``arguments`` are in schema order.

    ``is_claim``: its shape and type do not follow from the arguments here, but were given with the call.
    """

    op: str
    arguments: tuple[RecipeArgument, ...]
    shape: Shape
    dtype: ElementType
    quant: Quantization = NOT_QUANTIZED
    output: int = 0
    is_claim: bool = False


Recipe = Weight | Inline | Call
RecipeScalar = bool | int | float | str
RecipeArgument = (
    Weight
    | Inline
    | Call
    | PackedValue
    | RecipeScalar
    | ElementType
    | None
    | tuple[RecipeScalar, ...]
    | tuple[Weight | Inline | Call | None, ...]
)


def weight(value: int, kind: TensorType) -> Weight:
    """The constant value of the captured graph with this id.

    Any value that depends on no input will do: what constant nodes compute is computed again when NNAPI is
    initialized, or stored where that is not possible.
    """
    return Weight(value, kind.shape, kind.dtype, kind.quant)


def from_call(
    op: str,
    arguments: tuple[RecipeArgument, ...],
    *,
    shape: Shape,
    dtype: ElementType,
    quant: Quantization = NOT_QUANTIZED,
    output: int | None = None,
) -> Call:
    """The result of any op, or output number ``output`` where it has several. Arguments are in schema order.

    What it returns must be declared, and is checked when the package is written.
    """
    return Call(op, arguments, shape, dtype, quant, output or 0, is_claim=True)


def concatenate(parts: tuple[Recipe, ...], dim: int) -> Recipe:
    """The parts one after another along ``dim``."""
    if not parts:
        raise RecipeError("concatenate: no parts, wanted at least one")
    first = parts[0]
    if not -first.rank <= dim < first.rank:
        raise RecipeError(f"concatenate: dim is {dim}, the rank is {first.rank}")
    axis = dim % first.rank
    for part in parts:
        fits = part.rank == first.rank and part.dtype is first.dtype and part.dtype not in STORED_TYPES
        if not fits or any(a != b for i, (a, b) in enumerate(zip(part.shape, first.shape, strict=True)) if i != axis):
            raise RecipeError(
                f"concatenate along {dim}: {part.dtype.value}{list(part.shape)} does not fit "
                f"{first.dtype.value}{list(first.shape)}"
            )
    size = sum(part.shape[axis] for part in parts)
    return Call("aten.cat.default", (parts, axis), (*first.shape[:axis], size, *first.shape[axis + 1 :]), first.dtype)


def full(shape: Shape, number: float, dtype: ElementType) -> Recipe:
    """A tensor with every element equal to ``number``, which takes no room in the file."""
    if dtype not in PLAIN_TYPES:
        raise RecipeError(f"full: {dtype.value} is no type of plain numbers")
    return Call("aten.full.default", (shape, number, dtype), shape, dtype)


def numbers(values: tuple[float, ...]) -> Recipe:
    """One dimension of float64 numbers."""
    return Inline(struct.pack(f"<{len(values)}d", *values), ElementType.FLOAT64, (len(values),))


def steps(recipe: Recipe) -> Iterator[Weight | Inline | Call | PackedValue]:
    """A recipe and all that it is made of, repeated where used twice."""
    yield recipe
    if isinstance(recipe, Call):
        for argument in recipe.arguments:
            for part in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(part, PackedValue):
                    yield part
                elif isinstance(part, Weight | Inline | Call):
                    yield from steps(part)


def leaves(recipe: Recipe) -> Iterator[Weight | Inline | PackedValue]:
    """Every weight, packed value and inline tensor that a recipe reads, in order, repeated where read twice."""
    return (step for step in steps(recipe) if not isinstance(step, Call))


def _kept_quantization(source: _Expression, dtype: ElementType | None) -> Quantization:
    """Rearranging a quantized tensor keeps its parameters, but only where one pair serves all elements."""
    if dtype is not None and dtype is not source.dtype:
        return NOT_QUANTIZED
    match source.quant:
        case NotQuantized() | PerTensor():
            return source.quant
        case PerChannel():
            raise RecipeError("only permute and reshape know where the scales of a tensor quantized per channel go")
