"""What a package tells about itself: the text ``nnapi_check.json`` beside its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, Quantization, TensorType
from nnapi_check.lowering.packaging.border import Border, BorderError

FILE_NAME = "nnapi_check.json"
FORMAT = 1
SIZES = "sizes"
"""What ``extra`` calls the sizes of the inputs, where a package runs in NNAPI for several."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class ManifestError(Exception):
    """The text is no manifest of a format that is known here."""


@dataclass(frozen=True, slots=True)
class HeldValue:
    """An operand of a part's model holds a value of the graph; ``permutation`` is as in ``Border``."""

    operand: int
    value: int
    permutation: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One part: its attribute's name, its borders, the graph's nodes it stands for, and what its operands hold."""

    name: str
    inputs: tuple[Border, ...]
    outputs: tuple[Border, ...]
    nodes: tuple[int, ...] = ()
    held: tuple[HeldValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All parts of a package, how NNAPI runs them, and what the caller wanted to keep with the file."""

    parts: tuple[PartRecord, ...]
    preference: int
    is_relaxed: bool
    extra: Mapping[str, Json] = field(default_factory=dict)


def write_manifest(manifest: Manifest) -> str:
    """The manifest as text, the same for the same manifest."""
    document: Json = {
        "format": FORMAT,
        "producer": "nnapi-check",
        "preference": manifest.preference,
        "relaxed": manifest.is_relaxed,
        "parts": [_part_document(part) for part in manifest.parts],
        "extra": dict(manifest.extra),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def read_manifest(text: str) -> Manifest:
    """Read what ``write_manifest`` wrote."""
    try:
        document: Json = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"the manifest is no JSON: {error}") from error
    if _field(document, "format") != FORMAT:
        raise ManifestError(f"the manifest has format {_field(document, 'format')!r}, wanted {FORMAT}")
    return Manifest(
        parts=tuple(_part(part) for part in _items(document, "parts")),
        preference=_integer(_field(document, "preference")),
        is_relaxed=_field(document, "relaxed") is True,
        extra=_mapping(_field(document, "extra")),
    )


@dataclass(frozen=True, slots=True)
class RecordedSize:
    """What a package tells of one of its sizes: the types of its inputs, the names of its parts, and the rest."""

    inputs: tuple[str, ...]
    parts: tuple[str, ...]
    extra: Mapping[str, Json]


def recorded_sizes(manifest: Manifest) -> tuple[RecordedSize, ...]:
    """The sizes that a package tells of; none where it has one."""
    if SIZES not in manifest.extra:
        return ()
    return tuple(
        RecordedSize(
            tuple(_text(item) for item in _items(size, "inputs")),
            tuple(_text(item) for item in _items(size, "parts")),
            _mapping(_field(size, "extra")),
        )
        for size in _items(dict(manifest.extra), SIZES)
    )


def _part_document(part: PartRecord) -> Json:
    return {
        "name": part.name,
        "inputs": [_border_document(border) for border in part.inputs],
        "outputs": [_border_document(border) for border in part.outputs],
        "nodes": list(part.nodes),
        "held": [
            {"operand": held.operand, "value": held.value, "permutation": list(held.permutation)} for held in part.held
        ],
    }


def _part(document: Json) -> PartRecord:
    return PartRecord(
        name=_text(_field(document, "name")),
        inputs=tuple(_border(border) for border in _items(document, "inputs")),
        outputs=tuple(_border(border) for border in _items(document, "outputs")),
        nodes=_integers(document, "nodes"),
        held=tuple(
            HeldValue(
                _integer(_field(held, "operand")), _integer(_field(held, "value")), _integers(held, "permutation")
            )
            for held in _items(document, "held")
        ),
    )


def _border_document(border: Border) -> Json:
    return {
        "value": border.value,
        "torch": _type_document(border.torch),
        "nnapi": _type_document(border.nnapi),
        "permutation": list(border.permutation),
    }


def _border(document: Json) -> Border:
    try:
        return Border(
            value=_integer(_field(document, "value")),
            torch=_type(_field(document, "torch")),
            nnapi=_type(_field(document, "nnapi")),
            permutation=_integers(document, "permutation"),
        )
    except BorderError as error:
        raise ManifestError(f"the manifest has a border that is none: {error}") from error


def _type_document(kind: TensorType) -> Json:
    document: dict[str, Json] = {"dtype": kind.dtype.value, "shape": list(kind.shape)}
    match kind.quant:
        case PerTensor(scale, zero_point):
            document |= {"scale": scale, "zero_point": zero_point}
        case _:
            pass
    return document


def _type(document: Json) -> TensorType:
    quant: Quantization = NOT_QUANTIZED
    if "scale" in _mapping(document):
        quant = PerTensor(_number(_field(document, "scale")), _integer(_field(document, "zero_point")))
    name = _text(_field(document, "dtype"))
    elements = {element.value: element for element in ElementType}
    if name not in elements:
        raise ManifestError(f"the manifest names the element type {name!r}, which is none")
    return TensorType(elements[name], _integers(document, "shape"), quant)


def _mapping(document: Json) -> dict[str, Json]:
    if not isinstance(document, dict):
        raise ManifestError(f"the manifest has {document!r} where a table was wanted")
    return document


def _field(document: Json, name: str) -> Json:
    table = _mapping(document)
    if name not in table:
        raise ManifestError(f"the manifest lacks {name!r}")
    return table[name]


def _items(document: Json, name: str) -> list[Json]:
    found = _field(document, name)
    if not isinstance(found, list):
        raise ManifestError(f"the manifest's {name!r} is {found!r}, wanted a list")
    return found


def _integers(document: Json, name: str) -> tuple[int, ...]:
    return tuple(_integer(item) for item in _items(document, name))


def _integer(found: Json) -> int:
    if not isinstance(found, int):
        raise ManifestError(f"the manifest has {found!r} where a whole number was wanted")
    return found


def _number(found: Json) -> float:
    if not isinstance(found, int | float):
        raise ManifestError(f"the manifest has {found!r} where a number was wanted")
    return float(found)


def _text(found: Json) -> str:
    if not isinstance(found, str):
        raise ManifestError(f"the manifest has {found!r} where text was wanted")
    return found
