"""Models that name a GPU, as phones run them: what stands on a GPU stands on the processor, where all tensors are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import TypeVar

import torch
from torch.overrides import TorchFunctionMode

from nnapi_check.analyzer.errors import UntraceableError
from nnapi_check.analyzer.torchscript import (
    LoadedScript,
    has_method,
    insert_constant,
    load_with_functions,
    nodes_of_kind,
)

Found = TypeVar("Found")

_PROCESSOR = torch.device("cpu")
ON_PHONES = frozenset({"cpu", "meta"})
"""Kinds of devices that a model may name as it runs on a phone."""
_NAME = re.compile(r"[a-z]+(:\d+)?")
_MOVES = tuple(getattr(torch.Tensor, name) for name in ("cuda", "xpu", "mtia") if hasattr(torch.Tensor, name))
_TO = torch.Tensor.to
_COMPARE = frozenset({"aten::eq", "aten::ne", "aten::__is__", "aten::__isnot__"})


def on_processor(device: torch.device) -> torch.device:
    """Where that device's tensors are on a phone."""
    return device if device.type in ON_PHONES else _PROCESSOR


def move_script(functions: Iterable[torch._C.Graph]) -> None:
    """Let a program that was written on a GPU run where there is none. Its tensors have been moved already."""
    for graph in functions:
        for node in _constant_devices(graph):
            node.s_("value", str(_PROCESSOR))
        if _finds_devices(graph):
            _move_arguments(graph, list(graph.nodes()))
            graph.setInsertPoint(graph.return_node())


def moved_script(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """The module itself, or where it names a GPU a copy of it that does not."""
    if not has_method(module._c, "forward"):
        return module
    graph = module.inlined_graph
    if not _finds_devices(graph) and all(node.s("value") == str(_PROCESSOR) for node in _constant_devices(graph)):
        return module
    loaded: LoadedScript = load_with_functions(BytesIO(module.save_to_buffer()))
    move_script(loaded.functions.values())
    return loaded.module


def _constant_devices(graph: torch._C.Graph) -> list[torch._C.Node]:
    constants = nodes_of_kind(graph, "prim::Constant")
    return [node for node in constants if node.outputsSize() == 1 and _is_device(node.output())]


def _is_device(value: torch._C.Value) -> bool:
    kind = value.type()
    return (kind.getElementType() if isinstance(kind, torch._C.OptionalType) else kind).kind() == "DeviceObjType"


def _finds_devices(graph: torch._C.Graph) -> bool:
    """Whether a program learns of devices as it runs: by arguments, attributes, texts, or a method of the name."""
    if any(map(_is_device, graph.inputs())) or nodes_of_kind(graph, "aten::cuda"):
        return True
    return bool(nodes_of_kind(graph, "aten::device")) or any(
        _is_device(node.output()) for node in nodes_of_kind(graph, "prim::GetAttr")
    )


def _move_arguments(graph: torch._C.Graph, nodes: Sequence[torch._C.Node]) -> None:
    for node in nodes:
        for block in node.blocks():
            _move_arguments(graph, list(block.nodes()))
        if node.kind() == "aten::cuda":
            moved = graph.create("aten::cpu", list(node.inputs()), 1)
            moved.insertBefore(node)
            moved.output().setType(node.output().type())
            node.output().replaceAllUsesWith(moved.output())
            node.destroy()
        elif node.kind().startswith("aten::") and node.kind() not in _COMPARE:
            for place, value in enumerate(node.inputs()):
                if _is_device(value):
                    graph.setInsertPoint(node)
                    node.replaceInput(place, insert_constant(graph, _PROCESSOR))


def without_gpus(run: Callable[[], Found]) -> Found:
    """What ``run`` gives; where it fails as it names a GPU that is not there, what it gives on the processor."""
    try:
        return run()
    except UntraceableError:
        # It has run, so no GPU is missing, and another run may take minutes.
        raise
    except Exception:
        mode = _OnProcessor()
        try:
            with mode:
                found = run()
        except Exception:  # noqa: BLE001  # a model may fail in any way, and its first failure is told
            mode.has_moved = False
        if not mode.has_moved:
            raise
    return found


class _OnProcessor(TorchFunctionMode):
    """Makes on the processor what PyTorch is asked to make on a GPU.

    Under such a mode modules of PyTorch take other ways than without, so it is no way to run every model.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_moved = False

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Call a function, on the processor where it would be on a GPU."""
        if func in _MOVES:
            self.has_moved = True
            return args[0]
        takes_names = func is _TO
        placed = [self._moved(item, may_be_name=takes_names and place == 1) for place, item in enumerate(args)]
        named = {name: self._moved(item, may_be_name=name == "device") for name, item in (kwargs or {}).items()}
        return func(*placed, **named)

    def _moved(self, item: object, *, may_be_name: bool) -> object:
        if isinstance(item, torch.device):
            found = item
        elif may_be_name and isinstance(item, str) and _NAME.fullmatch(item):
            found = torch.device(item)
        elif may_be_name and isinstance(item, int) and not isinstance(item, bool):
            found = torch.device("cuda", item)
        else:
            return item
        moved = on_processor(found)
        self.has_moved |= moved != found
        return moved if moved != found else item
