"""Kernels that move elements between space, channels and batch, in blocks or groups."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import (
    array_at,
    channels_back,
    channels_last,
    integers_at,
    paddings_at,
    wrapped_axis,
)


@kernel("DEPTH_TO_SPACE")
def depth_to_space(call: Call) -> tuple[Array, ...]:
    """Channels spread over blocks of space. Channels run block row, block column, channel."""
    nchw = bool_at(call, 2, default=False)
    array = channels_last(array_at(call, 0, 4), nchw=nchw)
    block = _block_size(call)
    n, h, w, c = array.shape
    if c % (block * block):
        raise ExecutionError(f"{c} channels are not a multiple of {block * block}")
    depth = c // (block * block)
    blocks = array.reshape(n, h, w, block, block, depth).transpose(0, 1, 3, 2, 4, 5)
    return (channels_back(blocks.reshape(n, h * block, w * block, depth), nchw=nchw),)


@kernel("SPACE_TO_DEPTH")
def space_to_depth(call: Call) -> tuple[Array, ...]:
    """The inverse of DEPTH_TO_SPACE."""
    nchw = bool_at(call, 2, default=False)
    array = channels_last(array_at(call, 0, 4), nchw=nchw)
    block = _block_size(call)
    n, h, w, c = array.shape
    if h % block or w % block:
        raise ExecutionError(f"height {h} and width {w} are not multiples of {block}")
    blocks = array.reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    return (channels_back(blocks.reshape(n, h // block, w // block, block * block * c), nchw=nchw),)


def _block_size(call: Call) -> int:
    block = int_at(call, 1)
    if block < 1:
        raise ExecutionError(f"block size is {block}, 1 or more is wanted")
    return block


@kernel("BATCH_TO_SPACE_ND")
def batch_to_space(call: Call) -> tuple[Array, ...]:
    """Batches spread over blocks of space. Batches run block row, block column, batch."""
    nchw = bool_at(call, 2, default=False)
    array = channels_last(array_at(call, 0, 4), nchw=nchw)
    block_h, block_w = _block_sizes(call)
    n, h, w, c = array.shape
    if n % (block_h * block_w):
        raise ExecutionError(f"{n} batches are not a multiple of {block_h * block_w}")
    batches = n // (block_h * block_w)
    blocks = array.reshape(block_h, block_w, batches, h, w, c).transpose(2, 3, 0, 4, 1, 5)
    return (channels_back(blocks.reshape(batches, h * block_h, w * block_w, c), nchw=nchw),)


@kernel("SPACE_TO_BATCH_ND")
def space_to_batch(call: Call) -> tuple[Array, ...]:
    """The inverse of BATCH_TO_SPACE_ND, after a border of the real zero was added."""
    nchw = bool_at(call, 3, default=False)
    array = channels_last(array_at(call, 0, 4), nchw=nchw)
    block_h, block_w = _block_sizes(call)
    borders = paddings_at(call, 2, 2)
    padded = np.pad(array, ((0, 0), *borders, (0, 0)), constant_values=required(call, 0).quant.zero_point)
    n, h, w, c = padded.shape
    if h % block_h or w % block_w:
        raise ExecutionError(f"padded {h} by {w} is not a multiple of {block_h} by {block_w}")
    blocks = padded.reshape(n, h // block_h, block_h, w // block_w, block_w, c).transpose(2, 4, 0, 1, 3, 5)
    return (channels_back(blocks.reshape(n * block_h * block_w, h // block_h, w // block_w, c), nchw=nchw),)


def _block_sizes(call: Call) -> tuple[int, int]:
    sizes = integers_at(call, 1)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ExecutionError(f"block sizes are {sizes}, two of 1 or more are wanted")
    return sizes[0], sizes[1]


@kernel("CHANNEL_SHUFFLE")
def channel_shuffle(call: Call) -> tuple[Array, ...]:
    """The axis seen as groups of channels, transposed to channels of groups."""
    array = required(call, 0).array
    groups = int_at(call, 1)
    axis = wrapped_axis(int_at(call, 2), array.ndim)
    channels = array.shape[axis]
    if groups < 1 or channels % groups:
        raise ExecutionError(f"{channels} channels do not fall into {groups} groups")
    order = np.arange(channels).reshape(groups, channels // groups).T.reshape(-1)
    return (array.take(order, axis=axis),)
