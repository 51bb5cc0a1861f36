"""What carries a model to the device: targets, from ``coverage_db/nnapi/targets.toml``, and how they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.text import Table, read_tables

TARGETS_FILE = Path(__file__).parent / "nnapi" / "targets.toml"

PYTORCH_MOBILE = "pytorch-mobile"
"""The target where none is asked for, which carries what stays on the CPU too."""

NDK = "ndk"
"""The target that needs no PyTorch, and carries what one NNAPI model holds."""

AUTO = "auto"
"""What is asked for to let the model and the level decide."""


class PerChannelChoice(Enum):
    """What becomes of integer layers whose weights have a scale for each channel, where the target carries one."""

    SPLIT = "split"  # channels of like scales are multiplied together, as integers
    REQUANTIZE = "requantize"  # integers are rounded to one scale
    EQUALIZE = "equalize"  # the same, once channels are divided between a layer and the next
    FLOAT = "float"  # their real numbers are multiplied
    CPU = "cpu"  # PyTorch computes them


PER_CHANNEL = PerChannelChoice.SPLIT
"""What is done where nothing else is asked for."""


class ValueSource(Enum):
    """Where a target can take a constant from."""

    IMMEDIATE = "immediate"
    NUMBERED_BUFFER = "numbered-buffer"


@dataclass(frozen=True, slots=True)
class TargetInput:
    """A PyTorch dtype that a target accepts as a model's input, and the NNAPI type it becomes. ``scale`` and
    ``zero_point`` are set where the target fixes them."""

    dtype: str
    type: OperandType
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True)
class LoaderFormat:
    """The serialized format of a loader that others wrote.

    ``value_sources`` pairs each source with its number in the format; values are padded to ``value_alignment`` bytes.
    ``counts_below`` bounds the operands, values, operations, inputs and outputs, each; ``buffer_bytes_below`` the size
    of a buffer.
    """

    version: int
    value_sources: tuple[tuple[ValueSource, int], ...]
    value_alignment: int
    counts_below: int
    buffer_bytes_below: int


@dataclass(frozen=True, slots=True)
class OwnFormat:
    """A format of this project's own, which takes whatever NNAPI takes."""


@dataclass(frozen=True, slots=True)
class Target:
    """What carries a model to the device, and what of NNAPI it leaves out.

    ``title`` is what sentences call it. ``calls`` are the functions of later levels than the first that it
    cannot do without. Below ``lowest_level`` it runs nothing, and ``lowest_level_because`` says why; that is empty
    where NNAPI's own first level is the lowest. ``carries_cpu_ops`` is whether ops that NNAPI cannot
    compute run beside the NNAPI models: without, one NNAPI model must hold everything.
    """

    name: str
    title: str
    summary: str
    sources: tuple[str, ...]
    calls: tuple[str, ...]
    lowest_level: int
    lowest_level_because: str
    carries_cpu_ops: bool
    carries_channel_params: bool
    carries_models: bool
    carries_omitted_operands: bool
    format: LoaderFormat | OwnFormat
    inputs: tuple[TargetInput, ...]

    @property
    def input_types(self) -> frozenset[OperandType]:
        """The NNAPI types that a model's inputs may have."""
        return frozenset(accepted.type for accepted in self.inputs)


def target_names() -> tuple[str, ...]:
    """What may be asked for: every target, and the choice among them."""
    return (*(target.name for target in load_targets()), AUTO)


def target_called(name: str) -> Target:
    """The target of this name."""
    return next(target for target in load_targets() if target.name == name)


def load_targets(path: Path = TARGETS_FILE) -> tuple[Target, ...]:
    """The targets in the order of the text."""
    text = read_tables(path)
    return tuple(_target(name, text.table(name)) for name in text.values)


def _target(name: str, table: Table) -> Target:
    target = Target(
        name=name,
        title=table.text("title"),
        summary=table.text("summary"),
        sources=table.texts("sources"),
        calls=table.texts("calls"),
        lowest_level=table.integer("lowest_level"),
        lowest_level_because=table.text("lowest_level_because", default=""),
        carries_cpu_ops=table.flag("carries_cpu_ops"),
        carries_channel_params=table.flag("carries_channel_params"),
        carries_models=table.flag("carries_models"),
        carries_omitted_operands=table.flag("carries_omitted_operands"),
        format=_loader_format(table.table("format")) if table.has("format") else OwnFormat(),
        inputs=tuple(_target_input(row) for row in table.tables("inputs")),
    )
    if (target.lowest_level > 1) != bool(target.lowest_level_because):
        raise table.fail("lowest_level_because", f"wants the reason of a lowest level above 1 ({target.lowest_level})")
    table.finish()
    return target


def _loader_format(table: Table) -> LoaderFormat:
    value_sources = table.table("value_sources")
    found = LoaderFormat(
        version=table.integer("version"),
        value_sources=tuple(
            (value_sources.as_member(source, ValueSource, source), value_sources.integer(source))
            for source in value_sources.values
        ),
        value_alignment=table.integer("value_alignment"),
        counts_below=table.integer("counts_below"),
        buffer_bytes_below=table.integer("buffer_bytes_below"),
    )
    table.finish()
    return found


def _target_input(row: Table) -> TargetInput:
    accepted = TargetInput(
        dtype=row.text("dtype"),
        type=row.choice("type", OperandType),
        scale=row.real("scale") if row.has("scale") else None,
        zero_point=row.optional_integer("zero_point"),
    )
    row.finish()
    return accepted
