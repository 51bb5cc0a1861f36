"""Conformance rows as text: a model of one or a few operations with what is expected of it, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

FLOAT32 = "TENSOR_FLOAT32"
_DIGITS = 7
"""As many as a float32 holds."""


@dataclass(frozen=True, slots=True)
class RowOperand:
    """An operand, with the values that an input is given, a constant holds, or is expected of an output."""

    type: str
    dims: tuple[int, ...]
    lifetime: str
    values: tuple[float, ...] = ()
    scale: float = 0.0
    zero_point: int = 0
    channels: tuple[float, ...] = ()
    """A scale for each slice along dimension 0."""

    def to_json(self) -> dict[str, object]:
        """The operand as rows hold it: the values of inputs and outputs are the example's."""
        channels = {"dim": 0, "scales": list(self.channels)} if self.channels else None
        found: dict[str, object] = {
            "type": self.type,
            "dims": list(self.dims),
            "scale": self.scale,
            "zero_point": self.zero_point,
            "per_channel": channels,
            "lifetime": self.lifetime,
        }
        return {**found, "value": written(self)} if self.lifetime in {"CONSTANT", "SUBGRAPH"} else found


def written(operand: RowOperand) -> list[float | int | bool]:
    """The values as JSON has them: truth values, whole numbers, or numbers of as many digits as float32 has."""
    if "BOOL" in operand.type:
        return [bool(value) for value in operand.values]
    if "FLOAT" in operand.type:
        return [float(f"{value:.{_DIGITS}g}") for value in operand.values]
    return [int(value) for value in operand.values]


def _of(
    data: torch.Tensor, kind: str, lifetime: str, scale: float, zero_point: int, channels: Sequence[float] = ()
) -> RowOperand:
    values = tuple(float(value) for value in data.flatten().tolist())
    return RowOperand(kind, tuple(data.shape), lifetime, values, scale, zero_point, tuple(channels))


def given(data: torch.Tensor, kind: str = FLOAT32, scale: float = 0.0, zero_point: int = 0) -> RowOperand:
    """An input of the model."""
    return _of(data, kind, "MODEL_INPUT", scale, zero_point)


def constant(
    data: torch.Tensor, kind: str = FLOAT32, scale: float = 0.0, zero_point: int = 0, channels: Sequence[float] = ()
) -> RowOperand:
    """A constant tensor."""
    return _of(data, kind, "CONSTANT", scale, zero_point, channels)


def wanted(data: torch.Tensor, kind: str = FLOAT32, scale: float = 0.0, zero_point: int = 0) -> RowOperand:
    """An output of the model."""
    return _of(data, kind, "MODEL_OUTPUT", scale, zero_point)


def between(shape: Sequence[int], kind: str = FLOAT32, scale: float = 0.0, zero_point: int = 0) -> RowOperand:
    """What one operation gives and another takes."""
    return RowOperand(kind, tuple(shape), "TEMPORARY", (), scale, zero_point)


def scalar(value: float) -> RowOperand:
    """A constant BOOL, INT32 or FLOAT32, by the kind of the number."""
    kind = "BOOL" if isinstance(value, bool) else "INT32" if isinstance(value, int) else "FLOAT32"
    return RowOperand(kind, (), "CONSTANT", (value,))


def scalars(*values: float) -> list[RowOperand]:
    """Several of them."""
    return [scalar(value) for value in values]


def int32s(*values: int, dims: tuple[int, ...] = ()) -> RowOperand:
    """A constant TENSOR_INT32: a vector, unless dimensions are given."""
    return constant(torch.tensor(values).reshape(dims or (-1,)), "TENSOR_INT32")


def reference(index: int) -> RowOperand:
    """A model inside, for control flow."""
    return RowOperand("MODEL", (), "SUBGRAPH", (index,))


def left_out(dims: Sequence[int], kind: str = FLOAT32) -> RowOperand:
    """An optional input that is not given."""
    return RowOperand(kind, tuple(dims), "NO_VALUE")


@dataclass(frozen=True, slots=True)
class Call:
    """One operation. An operand that several calls share is one object."""

    kind: str
    inputs: Sequence[RowOperand]
    outputs: Sequence[RowOperand]


Example = Mapping[int, Sequence[float]]
"""Other values of inputs and outputs than those in the operands, by the operand's number in order of appearance."""


def model_of(calls: Sequence[Call]) -> tuple[list[RowOperand], dict[str, object]]:
    """The operands of a model in order, and the model as rows hold it."""
    operands: list[RowOperand] = []
    places: dict[int, int] = {}
    for call in calls:
        for operand in (*call.inputs, *call.outputs):
            if id(operand) not in places:
                places[id(operand)] = len(operands)
                operands.append(operand)
    return operands, {
        "operands": [operand.to_json() for operand in operands],
        "operations": [
            {
                "type": call.kind,
                "inputs": [places[id(operand)] for operand in call.inputs],
                "outputs": [places[id(operand)] for operand in call.outputs],
            }
            for call in calls
        ],
        "inputs": [index for index, operand in enumerate(operands) if operand.lifetime == "MODEL_INPUT"],
        "outputs": [index for index, operand in enumerate(operands) if operand.lifetime == "MODEL_OUTPUT"],
        "referenced": [],
    }


def row(
    name: str,
    version: str | None,
    calls: Sequence[Call],
    *,
    inside: Sequence[Sequence[Call]] = (),
    failing: Sequence[Example] = (),
    only_failing: bool = False,
    passing: Sequence[Example] = (),
    relaxed: bool = False,
    draws: float | None = None,
) -> str:
    """One line: a model that needs the level of ``version``, and its examples.

    The first example has the operands' own values. ``passing`` and ``failing`` ones replace some, and of the latter
    nothing but a failure is expected.
    """
    operands, model = model_of(calls)
    model["referenced"] = [model_of(each)[1] for each in inside]

    def example(changes: Example, *, fails: bool) -> dict[str, object]:
        values = {
            index: list(changes[index]) if index in changes else written(operand)
            for index, operand in enumerate(operands)
            if operand.lifetime in {"MODEL_INPUT", "MODEL_OUTPUT"}
        }
        outputs = [index for index in values if operands[index].lifetime == "MODEL_OUTPUT"]
        found: dict[str, object] = {
            "name": "",
            "inputs": {str(index): values[index] for index in values if index not in outputs},
            "outputs": {} if fails or draws is not None else {str(index): values[index] for index in outputs},
            "expect_failure": fails,
        }
        return {**found, "ignored_outputs": outputs} if fails or draws is not None else found

    first = [example({}, fails=only_failing)]
    rest = [example(changes, fails=False) for changes in passing] + [
        example(changes, fails=True) for changes in failing
    ]
    tolerance = {"fp32": [1e-5, 1e-5], "fp16": [0.005, 0.005], "int32": 0, "quant": 0, "bool": 0, "multinomial": draws}
    content = {
        "spec": name,
        "name": name,
        "declared_version": version,
        "relaxed": relaxed,
        "tolerance": tolerance,
        "model": model,
        "examples": first + rest,
    }
    return json.dumps(content, separators=(",", ":"))
