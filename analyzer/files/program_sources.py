"""Where the ops of an exported program come from: the stack and the module that it tells of each of its nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch

_ASSIGNED = re.compile(r"\s+(?P<name>\w+)(?: *:.*?)? = ")


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """What an exported program tells of a node: the stack of calls, outermost first, and the path of the module."""

    stack: str
    module: str


def program_sources(module: torch.nn.Module) -> dict[str, ProgramSource]:
    """What the programs in a module tell of their nodes, by the frames that a trace has of them: ``file(line)``."""
    return {
        frame: source
        for part in module.modules()
        if isinstance(part, torch.fx.GraphModule)
        for frame, source in _sources_of(part)
    }


def _sources_of(program: torch.fx.GraphModule) -> Iterator[tuple[str, ProgramSource]]:
    """PyTorch runs a program as Python that it writes, with a line for each node."""
    nodes = {node.name: node for node in program.graph.nodes}
    file = type(program).forward.__code__.co_filename
    for number, line in enumerate(program.code.splitlines(), 1):
        assigned = _ASSIGNED.match(line)
        node = nodes.get(assigned["name"]) if assigned is not None else None
        if node is not None:
            yield f"{file}({number})", ProgramSource(node.stack_trace or "", _module_path(node))


def _module_path(node: torch.fx.Node) -> str:
    """The path of the innermost module that the node was called in."""
    modules = node.meta.get("nn_module_stack")
    match list(modules.values()) if isinstance(modules, dict) else []:
        case [*_, (str(path), *_)]:
            return path
        case _:
            return ""
