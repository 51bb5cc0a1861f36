"""PyTorch's own samples of its ops (OpInfo) as traced modules, with tensors to run them on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch.utils import _pytree as pytree

from benchmarks.carrying import Tensors
from benchmarks.draws import DRAWN, Draw, drawn, drawn_with_places
from benchmarks.promises import run
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import quiet

DTYPES = (torch.float32, torch.int32, torch.int64, torch.bool, torch.complex64)
"""Element types to take samples of; int64 only of ops that take no int32. No complex number runs on NNAPI, but what
comes of it does."""


AS_SAMPLED = (
    "_segment_reduce",
    "linalg_eigvals",
    "linalg_ldl_solve",
    "nn_functional_ctc_loss",
    "nn_functional_embedding_bag",
    "special_legendre_polynomial_p",
)
"""Ops of which PyTorch dies, or never comes back, where the elements are others than its samples have."""


class Sample(Protocol):
    """One call of an op, as PyTorch's tests hold it."""

    input: object
    args: tuple[object, ...]
    kwargs: Mapping[str, object]


class OpInfo(Protocol):
    """What PyTorch's tests know of an op."""

    op: Callable[..., object]
    formatted_name: str

    def supported_dtypes(self, device_type: str) -> set[torch.dtype]:
        """The element types that the op takes."""

    def sample_inputs(self, device: str, dtype: torch.dtype) -> Iterator[Sample]:
        """Calls of the op."""


@dataclass(frozen=True, slots=True)
class Call:
    """One sample of an op in one form: ``name`` finds it again. ``draws`` holds the inputs to run it on."""

    name: str
    words: str
    module: torch.jit.ScriptModule
    draws: Mapping[Draw, Tensors]


class _Called(torch.nn.Module):
    """A call whose first tensors are inputs, and the others constants."""

    def __init__(self, op: Callable[..., object], leaves: Sequence[object], tree: pytree.TreeSpec, count: int) -> None:
        super().__init__()
        self._op, self._leaves, self._tree, self._count = op, leaves, tree, count

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Every tensor that the op gives."""
        waiting = iter(tensors[: self._count])
        leaves = [next(waiting, leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        first, args, kwargs = pytree.tree_unflatten(leaves, self._tree)
        return flat_tensors(self._op(first, *args, **kwargs))


def infos() -> list[OpInfo]:
    """Every OpInfo of the installed PyTorch, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return sorted(cast("list[OpInfo]", op_db), key=lambda info: info.formatted_name)


def dtypes_of(info: OpInfo) -> tuple[torch.dtype, ...]:
    """The element types to try an op with."""
    known = info.supported_dtypes("cpu")
    found = [dtype for dtype in DTYPES if dtype in known]
    return tuple(dtype for dtype in found if dtype is not torch.int64 or torch.int32 not in found)


def calls(info: OpInfo, dtype: torch.dtype, limit: int, seed: int) -> Iterator[Call]:
    """The samples of an op, at most ``limit`` of them where that is not 0, each in one form or two."""
    torch.manual_seed(seed)
    with quiet():
        samples = list(info.sample_inputs("cpu", dtype))
    kept = range(len(samples))
    if limit and len(samples) > limit:
        kept = range(0, len(samples), -(-len(samples) // limit))
    for number in kept:
        sample = samples[number]
        leaves, tree = pytree.tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
        count = sum(isinstance(leaf, torch.Tensor) for leaf in leaves)
        forms = {"inputs": count, "constants": 1} if count > 1 else {"inputs": count}
        for form, given in forms.items():
            made = _call(info, leaves, tree, given, f"{number}/{form}", seed * 1000 + number)
            if made is not None:
                yield made


def _call(
    info: OpInfo, leaves: Sequence[object], tree: pytree.TreeSpec, count: int, name: str, seed: int
) -> Call | None:
    """None where PyTorch cannot trace it, or where it takes or gives no tensor."""
    tensors = tuple(leaf.detach() for leaf in leaves if isinstance(leaf, torch.Tensor))[:count]
    if not tensors or not _all_dense(tensors):
        return None
    try:
        with quiet(), torch.no_grad():
            module = torch.jit.trace(  # type: ignore[no-untyped-call]  # it has no types
                _Called(info.op, leaves, tree, count).eval(),
                tuple(tensor.clone() for tensor in tensors),
                check_trace=False,
                strict=False,
            )
    except Exception:  # noqa: BLE001  # what PyTorch cannot trace is no model
        return None
    outputs = run(module, tensors)
    if not outputs or not _all_dense(outputs):
        return None
    words = ", ".join(_word(leaf) for leaf in leaves)
    draws = () if info.formatted_name.startswith(AS_SAMPLED) else DRAWN
    return Call(name, words, module, _draws(module, tensors, draws, torch.Generator().manual_seed(seed)))


def _all_dense(tensors: Tensors) -> bool:
    return all(tensor.layout is torch.strided for tensor in tensors)


def _draws(
    module: torch.jit.ScriptModule, tensors: Tensors, draws: Sequence[Draw], generator: torch.Generator
) -> dict[Draw, Tensors]:
    """The sample itself, and every draw that the module can run on."""
    found = {Draw.SAMPLE: tensors}
    for draw in draws:
        for draw_from in (drawn, drawn_with_places):
            made = draw_from(draw, tensors, generator)
            started = time.monotonic()
            given = run(module, made)
            if given is None or sum(tensor.numel() for tensor in given) > _MOST_ELEMENTS:
                continue
            if time.monotonic() - started < _MOST_SECONDS:
                found[draw] = made
                break
    return found


_MOST_SECONDS = 5
"""What PyTorch itself takes longer for is no draw: a polynomial of the degree of a large whole number."""
_MOST_ELEMENTS = 2**24
"""Nor what it makes more of: repeats by large whole numbers, which fill the memory."""


def _word(leaf: object) -> str:
    if isinstance(leaf, torch.Tensor):
        return f"{str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}"
    return repr(leaf)
