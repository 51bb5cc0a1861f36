"""What a model file holds: NNAPI's models, and how the tensors of a PyTorch module cross to them and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnapi_check.analyzer.graph import TensorType
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.lowering.nnapi.model import Model

Region = npt.NDArray[np.uint8]

PRODUCER = "nnapi-check"

ALIGNMENT = 64
"""At a multiple of so many bytes each weight lies, and each region of a file."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tensor as PyTorch has it. ``permutation[i]`` is its dimension at place ``i`` of NNAPI's operand; an empty one
    keeps the order."""

    name: str
    kind: TensorType
    permutation: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """An input that no operation reads."""


UNREAD = Unread()


@dataclass(frozen=True, slots=True)
class AtPlace:
    """The main model's input or output of that number."""

    place: int


@dataclass(frozen=True, slots=True)
class PassedOn:
    """An input of the program, as it was given."""

    input: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A constant, at an offset of the weights region."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ProgramInput:
    """A tensor that the program takes."""

    tensor: Crossing
    read: AtPlace | Unread


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """A tensor that the program gives."""

    tensor: Crossing
    origin: AtPlace | PassedOn | Stored


@dataclass(frozen=True, slots=True)
class Program:
    """Everything in a model file but the weights, which are its one numbered buffer.

    ``level`` is the lowest feature level that has all of it. ``places`` say of every operation, model by model, for
    which op it was made and where that stands. ``notes`` are JSON for this project's own commands.
    """

    level: int
    model: Model
    places: tuple[tuple[str, ...], ...]
    inputs: tuple[ProgramInput, ...]
    outputs: tuple[ProgramOutput, ...]
    notes: str
    preference: Preference = Preference.SUSTAINED_SPEED
    producer: str = PRODUCER
