"""The types and defaults of a method's parameters as TorchScript text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch


@dataclass(slots=True)
class Annotations:
    """Writes types. Named tuples have no name that PyTorch's compiler finds, so that ``types`` gives each one."""

    types: dict[str, torch._C.JitType] = field(default_factory=dict)

    def text(self, kind: torch._C.JitType) -> str:
        """The annotation of a type."""
        match kind:
            case torch._C.OptionalType():
                return f"Optional[{self.text(kind.getElementType())}]"
            case torch._C.ListType():
                return f"List[{self.text(kind.getElementType())}]"
            case torch._C.DictType():
                return f"Dict[{self.text(kind.getKeyType())}, {self.text(kind.getValueType())}]"
            case torch._C.TupleType() if kind.annotation_str.startswith("Tuple["):
                return f"Tuple[{', '.join(self.text(part) for part in kind.elements()) or '()'}]"
            case torch._C.TupleType():
                return self._named(kind)
            case _:
                return kind.annotation_str

    def _named(self, kind: torch._C.JitType) -> str:
        for name, known in self.types.items():
            if known.annotation_str == kind.annotation_str:
                return name
        name = f"Named{len(self.types)}"
        self.types[name] = kind
        return name


def default_text(value: object) -> str:
    """A default as an expression."""
    match value:
        case torch.Tensor():
            elements = value.detach().reshape(-1).tolist()
            listed = _list_text(elements) if elements else "torch.jit.annotate(List[float], [])"
            return f"torch.tensor({listed}, dtype={value.dtype}).reshape({list(value.shape)})"
        case float() if not isfinite(value):
            return f'float("{value}")'
        case complex():
            return f"complex({default_text(value.real)}, {default_text(value.imag)})"
        case torch.device():
            return f'torch.device("{value}")'
        case list():
            return _list_text(value)
        case tuple():
            return f"({', '.join(map(default_text, value))}{',' if len(value) == 1 else ''})"
        case _:
            return repr(value)


def _list_text(items: Sequence[object]) -> str:
    return f"[{', '.join(map(default_text, items))}]"
