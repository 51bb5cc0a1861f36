"""Which of PyTorch's ops may be called while a model is captured: an allow-list, by name.

What is called computes its results from its arguments alone: it touches no file, device, thread, generator of random
numbers or other state of the process, and no object of Python. `bounded_calls` says how large its results may be. Every
other op stays on the CPU.
"""

from __future__ import annotations

import torch

from nnapi_check.analyzer.ops.allowed_names import PRIVATE_OPS, PROGRAM_OPS

FILE_OPS = frozenset({"aten::from_file", "aten::save", "image::read_file", "image::write_file"})
"""Ops that read or write files, which no model of a stranger may do."""

LIBRARIES = frozenset({"aten", "prims", "quantized", "_quantized", "quantized_decomposed", "torchvision"})
"""Libraries whose ops compute results from tensors and numbers, but for those named below."""

# Those of PyTorch itself that have to do with devices, processes and compilers.
_OTHER_LIBRARIES = LIBRARIES | frozenset(
    {
        *("_c10d_functional", "_c10d_functional_autograd", "_dtensor", "_native", "_test", "c10d", "coor", "cuda"),
        *("debug_mode_ops", "debugprims", "export", "image", "inductor", "inductor_prims", "mkl", "mkldnn"),
        *("mkldnn_prepacked", "onednn", "onnx", "prim", "profiler", "quantization", "rngprims", "sparse"),
        *("static_runtime", "symm_mem"),
    }
)

_UNSAFE = (
    frozenset(
        {
            # They change what a tensor points to, or trust sizes and strides that they are given.
            *("aten::set", "aten::set_", "aten::set_data", "aten::shallow_copy_data_", "aten::slice_inverse"),
            *("aten::resize", "aten::resize_", "aten::resize_as", "aten::resize_as_", "prims::resize"),
            "aten::segment_reduce",
            # They have to do with gradients, devices and threads.
            *(
                "aten::get_gradients",
                "aten::requires_grad_",
                "aten::retain_grad",
                "aten::retains_grad",
                "aten::backward",
            ),
            *("aten::record_stream", "aten::pin_memory", "aten::is_pinned", "prims::device_put"),
        }
    )
    | FILE_OPS
)

# Parts of names of ops for layouts and libraries that no captured tensor has, for lists of tensors, and for gradients.
_OTHER_KINDS = (
    "sparse",
    "nested",
    "mkldnn",
    "cudnn",
    "miopen",
    "fbgemm",
    "vulkan",
    "mps_",
    "cuda",
    "foreach",
    "backward",
)

# Overloads that make a list as long as they are told.
_GROWING = frozenset({"aten::mul.left_t", "aten::mul.right_"})


# Their kernels do not look whether the elements that they are told to read are there, or divide by what they are told.
_UNCHECKED = frozenset(
    {
        *("aten::_ctc_loss", "aten::_embedding_bag", "aten::_embedding_bag_forward_only", "aten::linalg_ldl_solve"),
        *("aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd"),
        *("torchvision::roi_align", "torchvision::roi_pool", "torchvision::ps_roi_align", "torchvision::ps_roi_pool"),
        "torchvision::deform_conv2d",
    }
)


def may_be_called(name: str, overload: str) -> bool:
    """Whether the op called ``name`` (``aten::add``), in this overload, may be called while a model is captured."""
    full = f"{name}.{overload}" if overload else name
    if name in _UNSAFE or full in _GROWING:
        return False
    if not _is_of_tensors(full):
        return name in PROGRAM_OPS
    library, _, base = name.partition("::")
    return library in LIBRARIES and _is_plain(library, base)


def may_be_typed(name: str, overload: str) -> bool:
    """Whether an op of somebody's own library tells the type of its result on tensors without elements.

    Such an op is there because the process imported its library. On elements it is never called.
    """
    full = f"{name}.{overload}" if overload else name
    if name.partition("::")[0] in _OTHER_LIBRARIES or not _is_of_tensors(full):
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(full, "Meta")


def may_be_computed(name: str) -> bool:
    """Whether an op may be run on real elements where another one that may be called is made of it."""
    library, _, base = name.partition("::")
    return name not in _UNSAFE and name not in _UNCHECKED and library in LIBRARIES and _is_plain(library, base)


def _is_plain(library: str, base: str) -> bool:
    if any(part in base for part in _OTHER_KINDS):
        return False
    return library != "aten" or not base.startswith("_") or f"aten::{base}" in PRIVATE_OPS


def _is_of_tensors(full: str) -> bool:
    """Whether PyTorch's dispatcher knows the op; the others are those of programs."""
    try:
        return torch._C._dispatch_has_kernel(full)
    except RuntimeError:
        return False
