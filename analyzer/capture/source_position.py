"""Where a node comes from: the user's file and line, and the module's path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import torch

from nnapi_check.analyzer.files import unseen_writes
from nnapi_check.analyzer.files.program_sources import ProgramSource
from nnapi_check.analyzer.graph import SourcePosition
from nnapi_check.analyzer.ops import packed_ops
from nnapi_check.analyzer.torchscript import (
    attributes_read,
    children,
    class_name,
    has_attribute,
    method_names,
    nested,
    submodule,
    trace,
)

Place = tuple[str | None, int | None]

_NOWHERE: Place = (None, None)
_TRACED = re.compile(r"^(?P<file>\S[^\n]*?)\((?P<line>\d+)\): (?P<function>\S+)", re.MULTILINE)
_SCRIPTED = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_LEVEL = re.compile(r"(?<![^.()])(?P<name>[^.()]*+)\((?P<type>[^()]*)\)")
_INTERNAL = re.compile(
    r"(^|[/\\])torch[/\\](nn|jit|ao|quantization|functional\.py|export|fx|_\w+)"
    r"|<eval_with_key>|^<string>|^<frozen"
)
_OF_PROGRAM = re.compile(r"^(?P<frame><eval_with_key>[^\n(]*\(\d+\)): ", re.MULTILINE)
_OWN_TRACE = trace.__code__.co_filename
_OWN_WATCH = unseen_writes.__file__
_NAMELESS = frozenset({"", "SELF", "UNKNOWN_INSTANCE", "UNKNOWN"})
_HANDED_OVER = "INSTANCE_NAME_UNKNOWN"
"""How PyTorch calls a module that was handed to the one that calls it."""

# Modules that are never called themselves, so that texts of calls leave them out.
_LISTS = ("ModuleList", "ModuleDict")
_PACKED = f".{packed_ops.ATTRIBUTE}"


@dataclass(slots=True)
class SourceFinder:
    """Finds the position of each node. ``original`` is the module before its calls were inlined.

    A traced node carries the stack of Python calls. That of an exported program ends in code which PyTorch wrote, and
    the user's line is what ``sources`` tell of the line there. A scripted one carries only the line it stands on, which
    for a layer is inside PyTorch; the user's line is then that of the call of the layer, in the module that calls it.
    """

    original: torch._C.ScriptModule
    sources: Mapping[str, ProgramSource] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)
    _sites: dict[str, Place] = field(default_factory=dict)
    _functions: dict[str, list[tuple[str, Place]]] = field(default_factory=dict)
    _calls_seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def locate(self, node: torch._C.Node, parameter: str | None) -> SourcePosition:
        """The position of a node; ``parameter`` is the path of a parameter it reads, if there is one."""
        path = self._path(node, parameter)
        text = source_text(node)
        frames = [match["frame"] for match in _OF_PROGRAM.finditer(text)]
        told = next((self.sources[frame] for frame in frames if frame in self.sources), None)
        if told is not None and told.stack:
            return SourcePosition(*innermost_place(told.stack), path if parameter is not None else told.module)
        place = self._places.get(text)
        if place is None:
            place = find_place(text)
            self._places[text] = place
        if frames and not _is_users(place):
            return SourcePosition(module=path)
        # A node that PyTorch made itself has no text, and a traced one has every frame there is.
        if text.strip() and not _TRACED.match(text) and not _is_users(place):
            site = self._call_site(path, node.kind().partition("::")[2].rstrip("_"))
            place = site if site != _NOWHERE else place
        return SourcePosition(place[0], place[1], path)

    def _path(self, node: torch._C.Node, parameter: str | None) -> str:
        if parameter is not None:
            owner = parameter.rpartition(".")[0]
            while owner.endswith(_PACKED):
                owner = owner.removesuffix(_PACKED)
            return owner
        hierarchy = node.getModuleHierarchy()
        if _HANDED_OVER in hierarchy:
            # A trace names the module beside its caller.
            return node.scopeName().rpartition("/")[2].removeprefix("__module").removeprefix(".")
        path = self._paths.get(hierarchy)
        if path is None:
            path = self._completed([m["name"] for m in _LEVEL.finditer(hierarchy) if m["name"] not in _NAMELESS])
            self._paths[hierarchy] = path
        return path

    def _completed(self, names: Sequence[str]) -> str:
        """The path with the lists of modules that PyTorch leaves out of its texts."""
        module: object = self.original
        path: list[str] = []
        for name in names:
            if isinstance(module, torch._C.ScriptModule) and not has_attribute(module, name):
                holders = [
                    (key, child)
                    for key, child in children(module)
                    if class_name(child).endswith(_LISTS) and has_attribute(child, name)
                ]
                if len(holders) == 1:
                    path.append(holders[0][0])
                    module = holders[0][1]
            path.append(name)
            module = submodule(module, name) if isinstance(module, torch._C.ScriptModule) else None
        return ".".join(path)

    def _call_site(self, path: str, op: str) -> Place:
        own = self._function_site(path, op)
        if own != _NOWHERE:
            return own
        if path not in self._sites:
            self._sites[path] = next(self._module_sites(path), _NOWHERE)
        return self._sites[path]

    def _module_sites(self, path: str) -> Iterator[Place]:
        """Where the module at ``path`` is called, from the nearest caller that is not PyTorch's own."""
        names = path.split(".") if path else []
        owners = _modules_along(self.original, names)
        for depth in range(len(owners) - 1, -1, -1):
            rest = names[depth:]
            if not rest or _is_internal(owners[depth]):
                continue
            for node in _nodes_in(owners[depth]):
                if node.kind() != "prim::CallMethod":
                    continue
                chain, _ = attributes_read(node.inputsAt(0))
                if chain and chain == rest[: len(chain)]:
                    place = find_place(source_text(node))
                    if _is_users(place):
                        yield place

    def _function_site(self, path: str, op: str) -> Place:
        """Where the module itself calls the function that ends in the op, told apart by their order."""
        if path not in self._functions:
            owners = _modules_along(self.original, path.split(".") if path else [])
            found = owners[-1] if len(owners) == (len(path.split(".")) if path else 0) + 1 else None
            calls = [] if found is None or _is_internal(found) else list(_function_calls(found))
            self._functions[path] = calls
        calls = self._functions[path]
        matching = [place for name, place in calls if name == op] or [
            place for _, place in calls[:1] if len(calls) == 1
        ]
        if not matching:
            return _NOWHERE
        seen = self._calls_seen.get((path, op), 0)
        self._calls_seen[path, op] = seen + 1
        return matching[seen % len(matching)]


def _is_users(place: Place) -> bool:
    return place[0] is not None and not _INTERNAL.search(place[0])


def _modules_along(root: torch._C.ScriptModule, names: Sequence[str]) -> list[torch._C.ScriptModule]:
    """The root and the modules that the names lead to, as far as they lead."""
    modules = [root]
    for name in names:
        found = submodule(modules[-1], name)
        if found is None:
            break
        modules.append(found)
    return modules


def _is_internal(module: torch._C.ScriptModule) -> bool:
    return class_name(module).startswith("__torch__.torch.")


def _nodes_in(module: torch._C.ScriptModule) -> Iterator[torch._C.Node]:
    for method in method_names(module):
        yield from nested(module._get_method(method).graph.nodes())


def _function_calls(module: torch._C.ScriptModule) -> Iterator[tuple[str, Place]]:
    nearest = _NOWHERE
    for node in _nodes_in(module):
        place = find_place(source_text(node))
        nearest = place if _is_users(place) else nearest
        # TorchScript often loses the position of such a call; what was computed just before stands by it.
        if node.kind() == "prim::CallFunction" and nearest != _NOWHERE:
            yield node.inputsAt(0).node().s("name").lstrip("_"), nearest


def op_and_place(node: torch._C.Node) -> str:
    """The op of a node and its line, as messages name them."""
    return f"{node.kind().replace('::', '.')} at {SourcePosition(*find_place(source_text(node)))}"


def find_place(text: str) -> Place:
    """The innermost frame outside PyTorch's own modules, else the innermost; the text is a source range's.

    What called this project to trace a module is no part of the module.
    """
    original, _, _ = text.partition("Serialized ")
    for pattern in (_TRACED, _SCRIPTED):
        matches = takewhile(lambda match: match["file"] != _OWN_TRACE, pattern.finditer(original))
        found = _first_of_users([(m["file"], int(m["line"])) for m in matches if m["file"] != _OWN_WATCH])
        if found != _NOWHERE:
            return found
    return _NOWHERE


def innermost_place(stack: str) -> Place:
    """The same of a stack as Python writes it, outermost first."""
    return _first_of_users([(match["file"], int(match["line"])) for match in _SCRIPTED.finditer(stack)][::-1])


def _first_of_users(places: Sequence[Place]) -> Place:
    """The first place that is not PyTorch's own, else the first."""
    return next((place for place in places if _is_users(place)), places[0] if places else _NOWHERE)


def source_text(node: torch._C.Node) -> str:
    """Where a node says that it comes from; nothing where a file's record of that is damaged."""
    try:
        return str(node.sourceRange())
    except RuntimeError:
        return ""
