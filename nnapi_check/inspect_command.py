"""What a converted file holds: its NNAPI models taken apart, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.specification import format_type
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE
from nnapi_check.lowering.nnapi.disassembly import (
    BufferEntry,
    Disassembly,
    OperandEntry,
    disassemble,
    write_disassembly,
)
from nnapi_check.lowering.nnapi.model import Model, Operand, UnknownRank
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.manifest import PartRecord
from nnapi_check.lowering.packaging.recipe_torch import stored
from nnapi_check.lowering.verification.subject import ModelFileSubject, Part, Subject, model_file_in, open_subject
from nnapi_check.reports.terminal import printable
from nnapi_check.supervision import reading

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class BufferView:
    """A numbered buffer of a file: the tensor that it is, its bytes, and how far operands reach into it."""

    index: int
    dtype: str
    shape: tuple[int, ...]
    size: int
    reach: int


@dataclass(frozen=True, slots=True)
class PartView:
    """One NNAPI model of a file. ``record`` is None where PyTorch's own converter made it."""

    index: int
    name: str
    model_bytes: int
    model: Model
    record: PartRecord | None
    buffers: tuple[BufferView, ...]
    disassembly: Disassembly

    @property
    def faults(self) -> tuple[str, ...]:
        """Why NNAPI would refuse the model, one sentence each."""
        inner = (fault for model in self.disassembly.referenced for fault in model.faults)
        return (*self.disassembly.faults, *inner, *_missing(self.disassembly.buffers, len(self.buffers)))


def inspect(file: Path, part: int | None, form: str, *, trust: bool, whole: bool) -> int:
    """Print the NNAPI models of a file, or one of them. The exit code is 1 where NNAPI would refuse one."""
    facts = {operation.name: operation for operation in open_registry().operations()}
    with reading(None if trust else model_file_in(file) or file):
        subject = open_subject(file, facts, trust=trust, is_run=False)
    wanted = _wanted(file, subject, part)
    parts = [take_apart(file, index, subject.parts[index], facts) for index in wanted]
    if form == "json":
        click.echo(json.dumps(_document(subject, parts), indent=2))
    else:
        click.echo(printable("\n".join(_lines(subject, parts, whole=whole))))
    return 1 if any(part.faults for part in parts) else 0


def take_apart(file: Path, index: int, part: Part, facts: Mapping[str, OperationFacts]) -> PartView:
    """One NNAPI model of ``file`` with all that is known of it. Raises ``InputError`` where its record does not fit."""
    model = part.model
    arrays = [stored(buffer) for buffer in part.buffers]
    record = part.record
    if record is not None and (len(record.inputs), len(record.outputs)) != (len(model.inputs), len(model.outputs)):
        raise InputError(
            f"{file} is a damaged package: it does not say how the inputs and outputs of part {index} cross"
        )
    # A view as bytes of an array that has no elements is not allowed.
    contents = [array.reshape(-1).view("u1").data if array.size else memoryview(b"") for array in arrays]
    found = disassemble(model, facts, contents)
    reaches = {entry.index: entry.end for entry in found.buffers}
    buffers = tuple(
        BufferView(number, _dtype(tensor.dtype), tuple(tensor.shape), array.nbytes, reaches.get(number, 0))
        for number, (tensor, array) in enumerate(zip(part.buffers, arrays, strict=True))
    )
    return PartView(index, part.name, part.size, model, record, buffers, found)


def _dtype(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


def _wanted(file: Path, subject: Subject, part: int | None) -> Sequence[int]:
    count = len(subject.parts)
    if part is None:
        return range(count)
    if not 0 <= part < count:
        held = "1 NNAPI model, part 0" if count == 1 else f"{count} NNAPI models, parts 0 to {count - 1}"
        raise InputError(f"{file} has no part {part}; it holds {held if count else 'no NNAPI model'}")
    return (part,)


def _missing(entries: Sequence[BufferEntry], count: int) -> Iterator[str]:
    """Buffers that the file does not have. The validator takes their contents for known at execution only."""
    for entry in entries:
        if entry.index >= count:
            yield f"Buffer {entry.index}: found none in the file; wanted {entry.end} bytes."


def _lines(subject: Subject, parts: Sequence[PartView], *, whole: bool) -> Iterator[str]:
    count = len(subject.parts)
    models = "1 NNAPI model" if count == 1 else f"{count} NNAPI models"
    yield f"{subject.path}: {models}, {_origin(subject)}"
    for part in parts:
        yield ""
        yield f"part {part.index} {part.name}: {part.model_bytes} bytes and {len(part.buffers)} buffers"
        for words, borders in _borders(part):
            yield from (f"  {words} %{operand}: {_border(border)}" for operand, border in borders)
        yield from (f"  {line}" for line in write_disassembly(part.disassembly, whole=whole).splitlines())
        for buffer in part.buffers if whole else ():
            if buffer.reach < buffer.size:
                shape = ",".join(map(str, buffer.shape))
                read = f"of {buffer.size} bytes {buffer.reach} are read"
                yield f"  buffer {buffer.index} is {buffer.dtype}[{shape}]: {read}"
        missing = _missing(part.disassembly.buffers, len(part.buffers))
        yield from (f"  fault: {fault}" for fault in missing)
    if parts and not whole:
        yield from ("", "(--all lists every operand, operation and buffer.)")


def _origin(subject: Subject) -> str:
    if subject.manifest is None:
        return "made by PyTorch's own converter"
    level = subject.manifest.extra.get("feature_level")
    words = f"made by nnapi-check for feature level {level}" if isinstance(level, int) else "made by nnapi-check"
    if isinstance(subject, ModelFileSubject):
        words += " and the NDK"
    return f"{words}, float32 computed in float16" if subject.manifest.is_relaxed else words


def _borders(part: PartView) -> Iterator[tuple[str, Sequence[tuple[int, Border]]]]:
    """The operands at which tensors cross, and how."""
    if part.record is not None:
        yield "takes", tuple(zip(part.model.inputs, part.record.inputs, strict=True))
        yield "gives", tuple(zip(part.model.outputs, part.record.outputs, strict=True))


def _border(border: Border) -> str:
    words = f"PyTorch's {format_type(border.torch)}"
    if border.torch != border.nnapi:
        words += f" as {format_type(border.nnapi)}"
    order = ",".join(map(str, border.permutation))
    return f"{words}, dimensions in order {order}" if order else words


def _document(subject: Subject, parts: Sequence[PartView]) -> dict[str, object]:
    manifest = subject.manifest
    return {
        "schema_version": SCHEMA_VERSION,
        "file": str(subject.path),
        "producer": "PyTorch's converter" if manifest is None else "nnapi-check",
        "target": NDK if isinstance(subject, ModelFileSubject) else PYTORCH_MOBILE,
        "converted_for_level": None if manifest is None else manifest.extra.get("feature_level"),
        "relaxed": None if manifest is None else manifest.is_relaxed,
        "part_count": len(subject.parts),
        "parts": [_part_document(part) for part in parts],
    }


def _part_document(part: PartView) -> dict[str, object]:
    return {
        "index": part.index,
        "name": part.name,
        "bytes": part.model_bytes,
        **{words: [_border_document(*crossing) for crossing in crossings] for words, crossings in _borders(part)},
        **_model_document(part.model, part.disassembly),
        "buffers": [asdict(buffer) for buffer in part.buffers],
        "faults": list(part.faults),
    }


def _border_document(operand: int, border: Border) -> dict[str, object]:
    return {
        "operand": operand,
        "value": border.value,
        "torch": format_type(border.torch),
        "nnapi": format_type(border.nnapi),
        "permutation": list(border.permutation),
    }


def _model_document(model: Model, found: Disassembly) -> dict[str, object]:
    return {
        "level": found.level,
        "level_as_written": found.level_as_written,
        "demands": [asdict(demand) for demand in found.demands],
        "sizes": asdict(found.sizes),
        "inputs": list(model.inputs),
        "outputs": list(model.outputs),
        "operands": [
            _operand_document(operand, entry) for operand, entry in zip(model.operands, found.operands, strict=True)
        ],
        "operations": [
            {
                "index": entry.index,
                "kind": entry.kind,
                "level": entry.level,
                "inputs": [{"role": role, "operand": operand} for role, operand in entry.inputs],
                "outputs": list(entry.outputs),
            }
            for entry in found.operations
        ],
    }


def _operand_document(operand: Operand, entry: OperandEntry) -> dict[str, object]:
    """Dimensions that only execution tells are null, and so are all of them where the rank is not known."""
    shape = operand.shape
    return {
        "index": entry.index,
        "place": entry.place.value,
        "type": operand.type.name,
        "dims": None if isinstance(shape, UnknownRank) else [size if isinstance(size, int) else None for size in shape],
        "scale": operand.quant.scale,
        "zero_point": operand.quant.zero_point,
        "bytes": entry.size,
        "buffer": None if entry.buffer is None else asdict(entry.buffer),
        "value": entry.value,
        "written_by": list(entry.written_by),
        "read_by": list(entry.read_by),
    }
