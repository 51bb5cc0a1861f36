"""Tensor constants of a module's graphs as attributes of the module, so that several methods share them."""

from __future__ import annotations

from hashlib import blake2b
from itertools import count

import torch

from nnapi_check.analyzer.torchscript import constant
from nnapi_check.lowering.packaging.graph_copy import walk
from nnapi_check.lowering.packaging.package_source import OwnNames
from nnapi_check.lowering.packaging.script_modules import add_attribute, has_attribute

INLINE_LIMIT = 256
"""Tensor constants of more bytes than this become attributes."""


class ConstantStore:
    """Turns tensor constants into attributes, each tensor once; ``by_content`` those of the same elements as well."""

    def __init__(self, module: torch._C.ScriptModule, names: OwnNames, *, by_content: bool = False) -> None:
        self._module, self._own, self._by_content = module, names, by_content
        self._names: dict[tuple[object, ...], str] = {}
        # Tensors are known by their memory, which must not be used anew while they are known.
        self._kept: list[torch.Tensor] = []

    def attribute_of(self, tensor: torch.Tensor) -> str:
        """The attribute that holds a tensor, added where there is none yet."""
        strides = tuple(tensor.stride()) if tensor.layout is torch.strided else ()
        identity = (self._memory(tensor), tensor.dtype, tuple(tensor.shape), strides)
        if tensor.numel() == 0 or identity not in self._names:
            name = self._free_name()
            add_attribute(self._module, name, torch._C.TensorType.get(), tensor.detach())
            self._kept.append(tensor)
            self._names[identity] = name
        return self._names[identity]

    def _memory(self, tensor: torch.Tensor) -> int | bytes:
        """What tensors of the same elements have alike: an address, or a hash of the elements."""
        if not self._by_content or tensor.layout is not torch.strided or tensor.is_quantized:
            return tensor.data_ptr()
        return _hash(tensor)

    def _free_name(self) -> str:
        """A name that no attribute has: neither one of ours nor one of the user's."""
        numbers = count(len(self._kept))
        return next(name for name in map(self._own.constant, numbers) if not has_attribute(self._module, name))

    def lift(self, graph: torch._C.Graph) -> None:
        """Replace the large tensor constants of a method's graph by reads of attributes."""
        self_value = next(iter(graph.inputs()))
        for node in list(walk(graph)):
            tensor = constant_tensor(node)
            if tensor is None or tensor.numel() * tensor.element_size() <= INLINE_LIMIT:
                continue
            read = graph.create("prim::GetAttr", [self_value], 1)
            read.s_("name", self.attribute_of(tensor))
            read.output().setType(torch._C.TensorType.get())
            read.insertBefore(node)
            node.output().replaceAllUsesWith(read.output())
            node.destroy()


def _hash(tensor: torch.Tensor) -> bytes:
    elements = tensor.detach().contiguous().flatten().view(torch.uint8)
    return blake2b(elements.numpy().data).digest()


def constant_tensor(node: torch._C.Node) -> torch.Tensor | None:
    """The tensor that a node holds as a constant, or None where it holds none."""
    if node.kind() != "prim::Constant" or not node.hasAttribute("value") or node.kindOf("value") not in ("t", "ival"):
        return None
    held = constant(node.output())
    return held if isinstance(held, torch.Tensor) else None
