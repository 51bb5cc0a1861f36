"""The tensors of cards' examples, as they are written: ``f32[1,2,7,9]``, ``f32[5]!``, ``f32[3,5] = -0.0, inf, nan``.

After the type may stand ``+`` (elements are at least ``LEAST_POSITIVE``), ``@0`` (a scale of its own for each slice of
that dimension, with ``@0x9`` up to 9 times the least instead of twice) and ``!`` (a constant of the module, no input).
Elements are random, or those after ``=``, which are repeated in turn until the tensor is full.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import PerTensor, TensorType
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.tensor_types import random_tensor, torch_dtype
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.packed_parameters import USUAL_SPREAD, per_channel

LEAST_POSITIVE = 0.25
"""What elements are at least in a tensor that is written with a plus: ``f32[2,3]+``, ``f32[2]+!``."""

_WRITTEN = re.compile(
    r"(?P<type>[^+@!=]+)(?P<plus>\+)?(?:@(?P<axis>\d+)(?:x(?P<spread>\d+))?)?(?P<constant>!)?"
    r"(?:\s*=\s*(?P<values>[^=]+))?"
)


@dataclass(frozen=True, slots=True)
class ExampleTensor:
    """One tensor of an example. ``values`` are the elements that it states, empty where they are random."""

    type: TensorType
    is_constant: bool = False
    is_positive: bool = False
    axis: int | None = None
    spread: int = USUAL_SPREAD
    values: tuple[float, ...] = ()

    def made(self, generator: torch.Generator) -> torch.Tensor:
        """The tensor itself."""
        tensor = _stated(self.type, self.values) if self.values else random_tensor(self.type, generator)
        if self.is_positive:
            tensor = tensor.abs() + LEAST_POSITIVE
        return tensor if self.axis is None else per_channel(tensor, self.axis, self.spread)


def parse_example_tensor(text: str) -> ExampleTensor:
    """Read a tensor of an example. Raises ``CardError``."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise CardError(f"{text!r} is no tensor of an example; one is f32[3,5], f32[3]! or f32[3] = -0.0, inf, nan")
    try:
        type_ = parse_input_spec(match["type"]).type
        values = tuple(_number(item) for item in match["values"].split(",")) if match["values"] else ()
    except (InputError, ValueError) as error:
        raise CardError(f"{text!r}: {error}") from error
    if values and match["plus"]:
        raise CardError(f"{text!r}: elements are stated, or random and positive, not both")
    return ExampleTensor(
        type=type_,
        is_constant=match["constant"] is not None,
        is_positive=match["plus"] is not None,
        axis=None if match["axis"] is None else int(match["axis"]),
        spread=int(match["spread"] or USUAL_SPREAD),
        values=values,
    )


def _number(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    plain = text.strip()
    return words[plain] if plain in words else float(plain)


def _stated(type_: TensorType, values: tuple[float, ...]) -> torch.Tensor:
    count = torch.Size(type_.shape).numel()
    if len(values) > count:
        raise CardError(f"{len(values)} elements are stated of a tensor of {count}")
    numbers = torch.tensor(values, dtype=torch.float64).repeat(-(-count // len(values)))[:count].reshape(type_.shape)
    dtype = torch_dtype(type_.dtype)
    if isinstance(type_.quant, PerTensor):
        return torch.quantize_per_tensor(numbers.float(), type_.quant.scale, type_.quant.zero_point, dtype)
    tensor = numbers.to(dtype)
    if not dtype.is_floating_point and not torch.equal(tensor.double(), numbers):
        raise CardError(f"{list(values)} are no elements of {type_.dtype.value}")
    return tensor
