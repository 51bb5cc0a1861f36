"""Sliding windows as tensors, and images made of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import MAX_PARTS, Call, expands


@expands("aten.unfold.default", "aten.unfold_copy.default")
def unfold(call: Call) -> str | None:
    """Windows along a dimension: by a reshape where they lie side by side, else by slices."""
    shape = call.tensor("self").shape
    if not shape:
        return None
    dim, size, step = call.dimension("dimension"), call.integer("size"), call.integer("step")
    count = call.outputs[0].shape[dim]
    if step == size:
        whole = f"self.narrow({dim}, 0, {count * size})" if count * size < shape[dim] else "self"
        return f"{whole}.reshape({[*shape[:dim], count, size, *shape[dim + 1 :]]}).movedim({dim + 1}, -1)"
    if min(count, size) > MAX_PARTS:
        return None
    if count <= size:
        parts = (f"self.narrow({dim}, {place * step}, {size}).unsqueeze({dim})" for place in range(count))
        return f"torch.cat([{', '.join(parts)}], {dim}).movedim({dim + 1}, -1)"
    last = (count - 1) * step + 1
    parts = (f"torch.ops.aten.slice(self, {dim}, {at}, {at + last}, {step}).unsqueeze(-1)" for at in range(size))
    return f"torch.cat([{', '.join(parts)}], -1)"


@expands("aten.im2col.default")
def im2col(call: Call) -> str | None:
    """The cells of each window as a column: patches by a reshape, else a slice for each cell of the kernel."""
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    kernel, dilation, padding, stride = (
        _pair(call.integers(name)) for name in ("kernel_size", "dilation", "padding", "stride")
    )
    batch, (channels, *sizes) = shape[:-3], shape[-3:]
    images = prod(batch)
    padded = [size + 2 * pad for size, pad in zip(sizes, padding, strict=True)]
    counts = [(size - d * (k - 1) - 1) // s + 1 for size, k, d, s in zip(padded, kernel, dilation, stride, strict=True)]
    x = "self" if len(shape) == 4 else f"self.reshape({[images, channels, *sizes]})"
    if any(padding):
        x = f"torch.constant_pad_nd({x}, {[padding[1], padding[1], padding[0], padding[0]]})"
    if (
        kernel == stride
        and all(d == 1 for d in dilation)
        and all(size == count * k for size, count, k in zip(padded, counts, kernel, strict=True))
    ):
        apart = [images, channels, counts[0], kernel[0], counts[1], kernel[1]]
        return f"{x}.reshape({apart}).permute([0, 1, 3, 5, 2, 4]).reshape({list(made)})"
    if prod(kernel) > MAX_PARTS:
        return None
    lines, parts = [f"x = {x}"], []
    for number, places in enumerate(product(*(range(k) for k in kernel))):
        part = "x"
        for dim, (at, d, s, count) in enumerate(zip(places, dilation, stride, counts, strict=True), 2):
            part = f"torch.ops.aten.slice({part}, {dim}, {at * d}, {at * d + (count - 1) * s + 1}, {s})"
        lines.append(f"part{number} = {part}.reshape({[images, channels, 1, prod(counts)]})")
        parts.append(f"part{number}")
    return "\n".join([*lines, f"torch.cat([{', '.join(parts)}], 2).reshape({list(made)})"])


@expands("aten.col2im.default")
def col2im(call: Call) -> str | None:
    """Patches that lie side by side as an image; others are summed by a transposed convolution, whose filters have a
    one each, of the patches of each channel alone."""
    made = call.outputs[0].shape
    kernel, dilation, padding, stride = (
        _pair(call.integers(name)) for name in ("kernel_size", "dilation", "padding", "stride")
    )
    if any(d != 1 for d in dilation):
        return None
    sizes, channels, images = made[-2:], made[-3], prod(made[:-3])
    if kernel == stride and not any(padding) and all(size % k == 0 for size, k in zip(sizes, kernel, strict=True)):
        apart = [images, channels, *kernel, *(size // k for size, k in zip(sizes, kernel, strict=True))]
        return f"self.reshape({apart}).permute([0, 1, 4, 2, 5, 3]).reshape({list(made)})"
    cells = prod(kernel)
    if not call.are_floats("self"):
        return None
    reached = [size + 2 * pad - k for size, pad, k in zip(sizes, padding, kernel, strict=True)]
    counts = [size // s + 1 for size, s in zip(reached, stride, strict=True)]
    rest = [size % s for size, s in zip(reached, stride, strict=True)]
    patches = f"self.reshape({[images * channels, cells, *counts]})"
    ones = f"torch.eye({cells}, dtype=self.dtype).reshape({[cells, 1, *kernel]})"
    summed = f"torch.conv_transpose2d({patches}, {ones}, None, {stride}, {padding}, {rest})"
    return f"{summed}.reshape({list(made)})"


def _pair(numbers: Sequence[int]) -> list[int]:
    return list(numbers) * (2 if len(numbers) == 1 else 1)
