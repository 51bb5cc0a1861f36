"""Modules of torch.nn with every value of their arguments that are texts, and PyTorch's own samples of all modules."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from nnapi_check.analyzer.inputs.arguments import leaves

SEED = 3
MOST = 110
"""How many samples of one module are asked of."""
Inputs = tuple[object, ...]
"""Tensors, and tuples of them."""
Kind = Callable[..., nn.Module]

TEXTS: Mapping[str, tuple[str, ...]] = {
    "reduction": ("none", "mean", "sum"),
    "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    "approximate": ("none", "tanh"),
    "nonlinearity": ("tanh", "relu"),
    "activation": ("relu", "gelu"),
}
"""Arguments of constructors that are texts, and the values that they take, whichever module has them."""

TEXTS_OF_OWN: Mapping[str, tuple[str, ...]] = {
    "padding": ("same", "valid"),
    "mode": ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area", "sum", "mean", "max"),
}
"""Those whose values depend on the module: `_own` writes them out."""


@dataclass(frozen=True, slots=True)
class Case:
    """A module, made anew each time, with what it is called on."""

    name: str
    module: partial[nn.Module]
    inputs: Inputs

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return getattr(self.module.func, "__name__", "").lstrip("_")

    @property
    def given(self) -> tuple[tuple[str, object], ...]:
        """The arguments of the constructor that have a name and are texts."""
        return tuple((name, item) for name, item in self.module.keywords.items() if isinstance(item, str))


def cases() -> Iterator[Case]:
    """Every module to ask of."""
    yield from own()
    yield from samples()


def own() -> Iterator[Case]:
    """Modules with an argument that PyTorch's samples leave at one value, and modules without samples."""
    torch.manual_seed(SEED)
    yield from _convolutions()
    yield from _resizes()
    yield from _sequences()
    yield from _others()


def _case(kind: Kind, positional: Sequence[object], inputs: Sequence[object], **given: object) -> Case:
    words = " ".join(", ".join((*map(str, positional), *(f"{name}={item}" for name, item in given.items()))).split())
    shapes = ", ".join(str(tuple(leaf.shape)) for leaf in leaves(inputs) if isinstance(leaf, torch.Tensor))
    return Case(f"{kind.__name__}({words}) of {shapes}", partial(kind, *positional, **given), tuple(inputs))


def _image(channels: int, rank: int, *, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, channels, *(11, 13, 14)[:rank])


def _convolutions() -> Iterator[Case]:
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    for (index, kind), padding, kernel, dilation, groups in itertools.product(
        enumerate(kinds), TEXTS_OF_OWN["padding"], (2, 3), (1, 2), (1, 3, 6)
    ):
        inputs = [_image(6, index + 1)]
        yield _case(kind, (6, 12, kernel), inputs, padding=padding, dilation=dilation, groups=groups)
    for (index, kind), mode, width in itertools.product(enumerate(kinds), TEXTS["padding_mode"], (1, 2, "same")):
        yield _case(kind, (3, 5, 3), [_image(3, index + 1)], padding=width, padding_mode=mode)


def _resizes() -> Iterator[Case]:
    flat: tuple[bool | None, ...] = (None,)
    corners: tuple[bool | None, ...] = (True, False)
    for mode, rank, flags in (
        *(("nearest", rank, flat) for rank in (1, 2, 3)),
        ("nearest-exact", 2, flat),
        ("linear", 1, corners),
        ("bilinear", 2, corners),
        ("bicubic", 2, corners),
        ("trilinear", 3, corners),
        ("area", 2, flat),
    ):
        for flag in flags:
            wide = (17, 19, 23)[:rank]
            yield _case(nn.Upsample, (), [_image(3, rank)], mode=mode, align_corners=flag, size=wide)
            yield _case(nn.Upsample, (), [_image(3, rank)], mode=mode, align_corners=flag, scale_factor=2)
    yield _case(nn.UpsamplingNearest2d, (), [_image(3, 2)], scale_factor=2)
    yield _case(nn.UpsamplingBilinear2d, (), [_image(3, 2)], scale_factor=2)
    average = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    largest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
    sizes: tuple[tuple[int | None, ...], ...] = ((4, None, 2), (3, 3, 3), (1, 1, 1))
    for kinds, size in itertools.product((average, largest), sizes):
        for rank, kind in enumerate(kinds, start=1):
            yield _case(kind, (size[:rank] if rank > 1 else size[0],), [_image(3, rank)])


def _sequences() -> Iterator[Case]:
    flags = (False, True)
    for kind, layers, both, first in itertools.product((nn.RNN, nn.LSTM, nn.GRU), (1, 2), flags, flags):
        yield _case(kind, (5, 7, layers), [torch.rand(2, 3, 5)], bidirectional=both, batch_first=first)
    x, memory = torch.rand(2, 5, 8), torch.rand(2, 6, 8)
    for activation, norm, first in itertools.product(TEXTS["activation"], flags, flags):
        given = {"activation": activation, "norm_first": norm, "batch_first": first}
        yield _case(nn.TransformerEncoderLayer, (8, 2, 12), [x], **given)
        yield _case(nn.TransformerEncoderLayer, (8, 2, 12), [x[0]], **given)
        if first:
            yield _case(nn.TransformerDecoderLayer, (8, 2, 12), [x, memory], **given)
    yield _case(nn.GRUCell, (5, 7), [torch.rand(3, 5), torch.rand(3, 7)])
    for first in flags:
        yield _case(nn.MultiheadAttention, (8, 2), [x, x, x], batch_first=first)
    for mode in ("sum", "mean", "max"):
        yield _case(nn.EmbeddingBag, (10, 6), [torch.randint(0, 10, (3, 4))], mode=mode)


def _others() -> Iterator[Case]:
    row, rows = torch.rand(2, 5), torch.rand(2, 6, 5)
    yield _case(nn.PixelShuffle, (2,), [_image(12, 2)])
    yield _case(nn.PixelUnshuffle, (2,), [torch.rand(1, 3, 6, 8)])
    yield _case(nn.ChannelShuffle, (2,), [_image(6, 2)])
    yield _case(nn.Fold, ((5, 7), (2, 3)), [torch.rand(1, 12, 20)])
    yield _case(nn.Unfold, ((2, 3),), [_image(3, 2)])
    yield _case(nn.Flatten, (), [_image(3, 2)])
    yield _case(nn.Unflatten, (1, (2, 3)), [rows])
    for dropout in (nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout):
        yield _case(dropout, (), [rows])
    yield _case(nn.RReLU, (), [row - 0.5])
    yield _case(nn.Hardsigmoid, (), [row - 0.5])
    for axis in (0, 1, -1):
        yield _case(nn.Softmax, (axis,), [rows])
        yield _case(nn.LogSoftmax, (axis,), [rows])
    yield _case(nn.CosineSimilarity, (), [rows, rows + 1])
    yield _case(nn.PairwiseDistance, (), [row, row + 1])
    yield _case(nn.LocalResponseNorm, (5,), [_image(7, 2)])
    yield _case(nn.TripletMarginLoss, (), [row, row + 1, row - 1])


def samples() -> Iterator[Case]:
    """PyTorch's own samples of its modules, and of each argument that is a text every other value.

    Of a module with more than `MOST` of them, of which one loss has hundreds, each second, third, ... is taken.
    """
    for _, group in itertools.groupby(_all_samples(), key=lambda case: case.kind):
        found = list(group)
        yield from found[:: -(-len(found) // MOST)]


def _all_samples() -> Iterator[Case]:
    # It takes seconds to import.
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        torch.manual_seed(SEED)
        seen: set[str] = set()
        tried: set[tuple[str, object]] = set()
        for sample in info.module_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=False
        ):
            kind, args, given = info.module_cls, sample.constructor_input.args, sample.constructor_input.kwargs
            inputs = _inputs(kind, sample.forward_input.args, sample.forward_input.kwargs)
            for changed in _with_texts(kind, given, tried) if inputs else ():
                case = _case(kind, args, inputs, **changed)
                name = case.name if len(case.name) < 160 else f"{case.name[:150]}... {len(seen)}"
                if name not in seen and _is_taken(case):
                    seen.add(name)
                    yield Case(name, case.module, case.inputs)


def _is_taken(case: Case) -> bool:
    """Whether the constructor takes the arguments: transposed convolutions take one way of padding alone."""
    try:
        case.module()
    except (TypeError, ValueError):
        return False
    return True


def _with_texts(kind: Kind, given: Mapping[str, object], tried: set[tuple[str, object]]) -> Iterator[dict[str, object]]:
    """A sample's arguments, and the same with each text that no sample of the module has had so far."""
    yield dict(given)
    tried.update((name, item) for name, item in given.items() if name in TEXTS and isinstance(item, str))
    for name in inspect.signature(kind).parameters:
        for text in TEXTS.get(name, ()):
            if (name, text) not in tried:
                tried.add((name, text))
                yield {**given, name: text}


def _inputs(kind: Kind, args: Sequence[object], kwargs: Mapping[str, object]) -> Inputs:
    """What forward is called on, where these are tensors alone; else nothing."""
    forward = getattr(kind, "forward", None)
    if forward is None:
        return ()
    bound = inspect.signature(forward).bind(None, *args, **kwargs)
    items = [item for name, item in bound.arguments.items() if name != "self"]
    while items and items[-1] is None:
        items.pop()
    are_tensors = all(isinstance(leaf, torch.Tensor) for leaf in leaves(items))
    return tuple(items) if are_tensors and not bound.kwargs else ()
