"""What ops on complex numbers do, written for pairs of tensors: the real and the imaginary parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch

_SOURCE = """
def waves(bins: int, n: int):
    turns = torch.remainder(torch.outer(torch.arange(bins), torch.arange(n)), n)
    return turns.to(torch.float64) * (6.283185307179586 / n)

def sines(bins: int, n: int):
    halves = torch.remainder(torch.outer(torch.arange(bins), torch.arange(n)) * 2, n)
    angles = waves(bins, n)
    return torch.where(halves == 0, torch.zeros_like(angles), torch.sin(angles))

def folds(half: int, n: int):
    ends = torch.remainder(torch.arange(half) * 2, n)
    return torch.where(ends == 0, torch.ones([half]), torch.full([half], 2.0)).to(torch.float64).unsqueeze(1)

def rows_of(x, dim: int, kept: int):
    return x.narrow(dim, 0, kept).transpose(dim, -1)

def cosines_of(n: int, kept: int, bins: int, scale: float):
    return torch.cos(waves(bins, n).narrow(1, 0, kept)).t() * scale

def sines_of(n: int, kept: int, bins: int, scale: float):
    return sines(bins, n).narrow(1, 0, kept).t() * scale

def fft_of_real(x, dim: int, n: int, kept: int, bins: int, sign: float, scale: float):
    rows = rows_of(x, dim, kept)
    real = torch.matmul(rows, cosines_of(n, kept, bins, scale).to(torch.float32))
    imag = torch.matmul(rows, sines_of(n, kept, bins, sign * scale).to(torch.float32))
    return real.transpose(dim, -1), imag.transpose(dim, -1)

def fft(re, im, dim: int, n: int, kept: int, bins: int, sign: float, scale: float):
    rows = torch.cat([rows_of(re, dim, kept), rows_of(im, dim, kept)], -1)
    c, s = cosines_of(n, kept, bins, scale), sines_of(n, kept, bins, sign * scale)
    real = torch.matmul(rows, torch.cat([c, -s]).to(torch.float32))
    imag = torch.matmul(rows, torch.cat([s, c]).to(torch.float32))
    return real.transpose(dim, -1), imag.transpose(dim, -1)

def fft_to_real(re, im, dim: int, n: int, kept: int, scale: float):
    rows = torch.cat([rows_of(re, dim, kept), rows_of(im, dim, kept)], -1)
    folded = folds(kept, n) * scale
    matrix = torch.cat([torch.cos(waves(kept, n)) * folded, sines(kept, n) * -folded]).to(torch.float32)
    return torch.matmul(rows, matrix).transpose(dim, -1)

def kernels(matrix, step: int):
    rows, n = matrix.size()
    return matrix.to(torch.float32).reshape([rows, n // step, step]).transpose(1, 2).contiguous()

def stft(x, window, n: int, left: int, right: int, bins: int, count: int, batch: int, step: int, stride: int,
         scale: float):
    angles = waves(bins, n)
    weights = torch.constant_pad_nd(window.to(torch.float64), [left, right], 0.0) * scale
    cells = (count - 1) * stride + n // step
    rows = x.reshape([batch, -1]).narrow(1, 0, cells * step).reshape([batch, cells, step]).transpose(1, 2)
    real = torch.conv1d(rows, kernels(torch.cos(angles) * weights, step), None, [stride])
    imag = torch.conv1d(rows, kernels(sines(bins, n) * -weights, step), None, [stride])
    return real, imag

def istft_kernels(window, n: int, left: int, right: int, half: int, step: int, scale: float):
    angles = waves(half, n)
    weights = torch.constant_pad_nd(window.to(torch.float64), [left, right], 0.0) * scale
    folded = folds(half, n)
    return kernels(torch.cat([torch.cos(angles) * folded * weights, sines(half, n) * -folded * weights]), step)

def added_up(rows, window, n: int, left: int, right: int, count: int, batch: int, hop: int, first: int, size: int):
    squares = torch.constant_pad_nd(window.to(torch.float64), [left, right], 0.0).square().reshape([1, 1, n])
    envelope = torch.conv_transpose1d(torch.ones([1, 1, count], dtype=torch.float64), squares, None, [hop])
    inverse = (1.0 / envelope.reshape([1, -1]).narrow(1, first, size)).to(torch.float32)
    return rows.transpose(1, 2).reshape([batch, -1]).narrow(1, first, size) * inverse

def istft(re, im, window, n: int, left: int, right: int, half: int, count: int, batch: int, step: int, hop: int,
          scale: float, first: int, size: int):
    pair = torch.cat([re.reshape([batch, half, count]), im.reshape([batch, half, count])], 1)
    filters = istft_kernels(window, n, left, right, half, step, scale)
    rows = torch.conv_transpose1d(pair, filters, None, [hop // step])
    return added_up(rows, window, n, left, right, count, batch, hop, first, size)

def istft_of_whole_steps(re, im, window, n: int, left: int, right: int, half: int, count: int, batch: int, step: int,
                         hop: int, scale: float, first: int, size: int):
    pair = torch.cat([re.reshape([batch, half, count]), im.reshape([batch, half, count])], 1)
    filters = istft_kernels(window, n, left, right, half, step, scale).flip([2]).transpose(0, 1).contiguous()
    rows = torch.conv1d(pair, filters, None, [1], [n // step - 1])
    return added_up(rows, window, n, left, right, count, batch, hop, first, size)

def abs(re, im):
    return torch.sqrt(re * re + im * im)

def angle(re, im):
    return torch.atan2(im, re)

def real(re, im):
    return re

def imag(re, im):
    return im

def view_as_real(re, im):
    return torch.stack([re, im], -1)

def view_as_complex(x):
    return x.select(-1, 0), x.select(-1, 1)

def complex(re, im):
    return re, im

def polar(size, angle):
    return size * torch.cos(angle), size * torch.sin(angle)

def conj(re, im):
    return re, torch.neg(im)

def neg(re, im):
    return torch.neg(re), torch.neg(im)

def mul(re, im, other_re, other_im):
    return re * other_re - im * other_im, re * other_im + im * other_re

def mul_real(re, im, factor):
    return re * factor, im * factor

def mul_number(re, im, factor: float):
    return re * factor, im * factor

def div_real(re, im, divisor):
    return re / divisor, im / divisor

def div_number(re, im, divisor: float):
    return re / divisor, im / divisor

def add(re, im, other_re, other_im):
    return re + other_re, im + other_im

def add_real(re, im, other):
    return re + other, im

def add_number(re, im, other: float):
    return re + other, im

def sub(re, im, other_re, other_im):
    return re - other_re, im - other_im

def sub_real(re, im, other):
    return re - other, im

def sub_number(re, im, other: float):
    return re - other, im

def parts(x):
    return torch.real(x), torch.imag(x)
"""


@cache
def pair_graphs() -> Mapping[str, torch._C.Graph]:
    """What is done to pairs, as graphs of ops that every PyTorch has, by name."""
    unit = torch.jit.CompilationUnit(_SOURCE)
    names = [line.split("(")[0].removeprefix("def ") for line in _SOURCE.splitlines() if line.startswith("def ")]
    found = {name: getattr(unit, name).graph for name in names}
    for graph in found.values():
        torch._C._jit_pass_inline(graph)
        torch._C._jit_pass_lower_all_tuples(graph)
    return found
