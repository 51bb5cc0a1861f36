"""What a model stores: constants and attributes, and which of their elements are read when a graph is captured."""

from __future__ import annotations

from re import findall

import torch

from nnapi_check.analyzer.capture.settling import State
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import DynamicType, Literal, Parameter
from nnapi_check.analyzer.growing_graph import Draft, ModulePath, ObjectAttribute, StoredObject, run_time_object
from nnapi_check.analyzer.tensor_types import is_strided, reach_of, tensor_type
from nnapi_check.analyzer.torchscript import attribute, attribute_of_object, has_attribute, is_own_class, is_readable

# Elements of constants are read up to these numbers: enough for indices, sizes and scales.
MAX_READ_INTEGERS = 4096
MAX_READ_FLOATS = 16
MAX_LITERAL = 256


class StoredValues:
    """Reads constants and attributes once each. Of those that a run overwrites, which ``state`` names, only types are
    known."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._attributes: dict[str, object] = {}

    def constant(self, node: torch._C.Node) -> object:
        """What is known of a constant of the graph."""
        output = node.output()
        if not is_readable(output.type()):
            return run_time_object(output)
        value = output.toIValue()
        if isinstance(value, torch._C.ScriptObject):
            return ObjectAttribute(output.debugName(), output, value, is_attribute=False)
        if not isinstance(value, torch.Tensor):
            return value
        return self._literal(output, value)

    def _literal(self, value: torch._C.Value, tensor: torch.Tensor) -> Draft:
        if not is_strided(tensor):
            return _of_other_layout(value, tensor, Literal(value.debugName(), None))
        origin = Literal(value.debugName(), literal_data(tensor))
        if value.unique() in self._state.literals:
            return _as_state(value, tensor, origin)
        return _constant(value, tensor, origin)

    def attribute(self, node: torch._C.Node, owner: ModulePath) -> object:
        """What is known of a module's attribute, which the model does not set."""
        name = node.s("name")
        path = owner.path_of(name)
        if path in self._attributes:
            return self._attributes[path]
        if not has_attribute(owner.module, name):
            # PyTorch loads objects of classes that no file describes.
            raise InputError(f"The model reads {path}, and its file describes no such attribute there; save it again.")
        found = self._read_attribute(node.output(), path, attribute(owner.module, name))
        self._attributes[path] = found
        return found

    def of_object(self, node: torch._C.Node, owner: StoredObject) -> object:
        """What is known of an attribute of an object that the model does not set: a number, a text, another object."""
        kind = node.output().type()
        found = StoredObject(owner.owner, (*owner.way, (node.s("name"), kind)))
        if is_own_class(kind):
            return found
        if found.path in self._state.paths or not _is_plain(kind.annotation_str):
            return run_time_object(node.output(), "it belongs to an object of the model's own")
        if found.path not in self._attributes:
            self._attributes[found.path] = attribute_of_object(found.owner.module, found.way)
        return self._attributes[found.path]

    def _read_attribute(self, value: torch._C.Value, path: str, found: object) -> object:
        if isinstance(found, torch._C.ScriptModule):
            return ModulePath(path, found)
        if isinstance(found, torch.Tensor):
            if not is_strided(found):
                return _of_other_layout(value, found, Parameter(path))
            if path in self._state.paths:
                return _as_state(value, found, Parameter(path))
            return _constant(value, found.detach(), Parameter(path))
        if found is None or isinstance(found, (bool, int, float, str)):
            return found
        if path in self._state.paths:
            return run_time_object(value, "the model changes this attribute")
        if isinstance(found, (list, tuple)) and all(isinstance(part, (bool, int, float, str)) for part in found):
            return list(found) if isinstance(found, list) else found
        return ObjectAttribute(path, value, found)


def _is_plain(annotation: str) -> bool:
    """Whether what a type names is a number or a text, or a list or tuple of these."""
    return set(findall(r"\w+", annotation)) <= {"int", "float", "bool", "str", "List", "Tuple"}


def _constant(value: torch._C.Value, tensor: torch.Tensor, origin: Parameter | Literal) -> Draft:
    known = _as_known(tensor)
    return Draft(value, tensor_type(tensor), known, origin, is_constant=True, reach=reach_of(tensor))


def _of_other_layout(value: torch._C.Value, tensor: torch.Tensor, origin: Parameter | Literal) -> Draft:
    """A constant whose elements do not lie in one storage, so that PyTorch alone can compute with it."""
    layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
    return Draft(value, DynamicType(f"a constant of the layout {layout}"), None, origin, is_constant=False)


def is_read(tensor: torch.Tensor) -> bool:
    """Whether the elements of a constant are read when the graph is captured."""
    limit = MAX_READ_FLOATS if tensor.dtype.is_floating_point or tensor.dtype.is_complex else MAX_READ_INTEGERS
    return tensor.numel() <= limit


def path_of(owner: object, name: str) -> str | None:
    """The path of an attribute of the model's own modules."""
    return owner.path_of(name) if isinstance(owner, ModulePath) else None


def literal_data(tensor: torch.Tensor) -> tuple[int | float | bool, ...] | None:
    """The elements of a constant of integers or booleans, flat, where they are few.

    Floats are left out: PyTorch may have computed them from weights, which are not read when a model is checked.
    """
    if tensor.is_meta or tensor.is_quantized or tensor.is_complex() or tensor.is_floating_point():
        return None
    return tuple(tensor.flatten().tolist()) if tensor.numel() <= MAX_LITERAL else None


def _as_state(value: torch._C.Value, tensor: torch.Tensor, origin: Literal | Parameter) -> Draft:
    """A constant of the model that a run overwrites: of its elements nothing is known."""
    known = tensor.detach() if tensor.is_quantized else torch.empty_like(tensor, device="meta")
    return Draft(value, tensor_type(tensor), known, origin, is_constant=False)


def _as_known(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself where its elements may matter to shapes, else its type on ``meta``."""
    if tensor.is_meta or tensor.is_quantized:
        return tensor
    return tensor.detach().clone() if is_read(tensor) else tensor.detach().to("meta")
