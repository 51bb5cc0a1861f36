"""How a report names a value, and a place in the user's source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnapi_check.analyzer.graph import Graph, SourcePosition, TensorType
from nnapi_check.analyzer.inputs.specification import format_type
from nnapi_check.reports.views import LossView, NodeView, PlaceView

_PACKAGE = re.compile(r"^.*[/\\](?:site|dist)-packages[/\\]")
NOWHERE = "place not recorded"
MODULES_SHOWN = 2


def type_words(graph: Graph, value: int) -> str:
    """A value's type as a reader knows it: ``f32[1,3,224,224]``."""
    kind = graph.type_of(value)
    return format_type(kind) if isinstance(kind, TensorType) else "known only at run time"


def types_words(types: Sequence[str]) -> str:
    """The types of several values, those that are the same as one, with how many they are."""
    counts = Counter(types)
    return ", ".join(f"{count} \N{MULTIPLICATION SIGN} {kind}" if count > 1 else kind for kind, count in counts.items())


def shown_path(file: str) -> str:
    """A path as a reader knows it: from the installed package on, or from the working folder, or else the whole."""
    inside = _PACKAGE.sub("", file)
    if inside != file:
        return inside
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def line_words(file: str | None, line: int | None) -> str:
    """A line of a file: ``models/net.py:12``, empty where none is recorded."""
    return f"{shown_path(file)}:{line}" if file is not None else ""


def place_words(place: PlaceView | NodeView | LossView | SourcePosition) -> str:
    """Where a node stands: its module and its source line."""
    line = line_words(place.file, place.line)
    return " at ".join(part for part in (place.module, line) if part) or NOWHERE


def modules_words(modules: Sequence[str]) -> str:
    """Modules by name: the first ones, and how many more."""
    rest = len(modules) - MODULES_SHOWN
    names = ", ".join(modules[:MODULES_SHOWN])
    return f"{names} and {rest} more" if rest > 0 else names
