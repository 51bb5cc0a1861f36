"""Targets, read from ``coverage_db/nnapi/targets.toml``, and the names by which they are asked for."""

from __future__ import annotations

from pathlib import Path

from nnapi_check.coverage_db.spec import LoaderFormat, OperandType, OwnFormat, Target, TargetInput, ValueSource
from nnapi_check.coverage_db.text import Table, read_tables

TARGETS_FILE = Path(__file__).parent / "nnapi" / "targets.toml"

PYTORCH_MOBILE = "pytorch-mobile"
"""The target where none is asked for, which carries what stays on the CPU too."""

NDK = "ndk"
"""The target that needs no PyTorch, and carries what one NNAPI model holds."""

AUTO = "auto"
"""What is asked for to let the model and the level decide."""


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
