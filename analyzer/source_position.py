"""Where a node comes from: the user's file and line, and the module's path."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import torch

from analyzer.graph import SourcePosition

_TRACED = re.compile(r"^(?P<file>[^\n]+?)\((?P<line>\d+)\): (?P<function>\S+)", re.MULTILINE)
_SCRIPTED = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_LEVEL = re.compile(r"(?P<name>[^.()]*)\((?P<type>[^()]*)\)")
_INTERNAL = re.compile(
    r"(^|[/\\])torch[/\\](nn|jit|ao|quantization|functional\.py|_tensor\.py|_jit_internal\.py|_ops\.py|export|fx)"
)


@dataclass(slots=True)
class SourceFinder:
    """Finds the position of each node, remembering the text of ranges that many nodes share."""

    _positions: dict[str, tuple[str | None, int | None]] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def locate(self, node: torch._C.Node) -> SourcePosition:
        """The position of a node in the user's source, as far as it was recorded."""
        text = str(node.sourceRange())
        place = self._positions.get(text)
        if place is None:
            place = find_place(text)
            self._positions[text] = place
        hierarchy = node.getModuleHierarchy()
        module = self._modules.get(hierarchy)
        if module is None:
            module = module_path(hierarchy)
            self._modules[hierarchy] = module
        return SourcePosition(place[0], place[1], module)


def find_place(text: str) -> tuple[str | None, int | None]:
    """The innermost frame outside PyTorch's own modules, else the innermost; the text is a source range's."""
    original, _, serialized = text.partition("\nSerialized ")
    for part in (original, serialized):
        frames = [(m["file"], int(m["line"])) for m in _TRACED.finditer(part)]
        frames = frames or [(m["file"], int(m["line"])) for m in _SCRIPTED.finditer(part)]
        for file, line in frames:
            if not _INTERNAL.search(file):
                return file, line
        if frames:
            return frames[0]
    return None, None


def module_path(hierarchy: str) -> str:
    """The path of a module (``layer1.0.conv1``) from PyTorch's text of it (``layer1(Sequential).0(Block)``)."""
    names = [match["name"] for match in _LEVEL.finditer(hierarchy)]
    return ".".join(name for name in names if name and name not in ("SELF", "UNKNOWN_INSTANCE", "UNKNOWN"))
