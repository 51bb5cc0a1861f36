"""Which of PyTorch's ops may be called while a model is captured: an allow-list, by name.

What is called computes its results from its arguments alone: it touches no file, device, thread, generator of random
numbers or other state of the process, and no object of Python. `bounded_calls` says how large its results may be. Every
other op stays on the CPU.
"""

from __future__ import annotations

import torch

FILE_OPS = frozenset({"aten::from_file", "aten::save", "image::read_file", "image::write_file"})
"""Ops that read or write files, which no model of a stranger may do."""

# Libraries whose ops compute results from tensors and numbers, but for those named below.
_LIBRARIES = frozenset({"aten", "prims", "quantized", "_quantized", "quantized_decomposed", "torchvision"})

# Those of PyTorch itself that have to do with devices, processes and compilers.
_OTHER_LIBRARIES = _LIBRARIES | frozenset(
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

# Ops that read what an optional argument holds without looking whether it is given.
_READ_BLINDLY = frozenset(
    f"aten::{name}" for name in ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
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

_PRIVATE = frozenset(
    f"aten::_{name}"
    for name in [
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "add_relu",
        "addmm_activation",
        "aminmax",
        "assert_tensor_metadata",
        "batch_norm_impl_index",
        "cast_Byte",
        "cast_Char",
        "cast_Double",
        "cast_Float",
        "cast_Half",
        "cast_Int",
        "cast_Long",
        "cast_Short",
        "cdist_forward",
        "conj",
        "conj_physical",
        "convolution",
        "convolution_mode",
        "cummax_helper",
        "cummin_helper",
        "dim_arange",
        "ctc_loss",
        "embedding_bag",
        "embedding_bag_forward_only",
        "empty_affine_quantized",
        "empty_per_channel_affine_quantized",
        "euclidean_dist",
        "fake_quantize_learnable_per_channel_affine",
        "fake_quantize_learnable_per_tensor_affine",
        "fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
        "fft_c2c",
        "fft_c2r",
        "fft_r2c",
        "fused_sdp_choice",
        "grid_sampler_2d_cpu_fallback",
        "index_put_impl",
        "index_put_impl_",
        "int_mm",
        "linalg_det",
        "linalg_eigh",
        "linalg_eigvals",
        "linalg_slogdet",
        "linalg_solve_ex",
        "linalg_svd",
        "local_scalar_dense",
        "log_softmax",
        "logcumsumexp",
        "lu_with_info",
        "make_per_channel_quantized_tensor",
        "make_per_tensor_quantized_tensor",
        "masked_softmax",
        "native_batch_norm_legit",
        "native_batch_norm_legit_functional",
        "native_batch_norm_legit_no_training",
        "native_multi_head_attention",
        "neg_view",
        "nnpack_spatial_convolution",
        "pack_padded_sequence",
        "pad_circular",
        "pad_enum",
        "pad_packed_sequence",
        "pdist_forward",
        "prelu_kernel",
        "reshape_copy",
        "reshape_from_tensor",
        "safe_softmax",
        "scaled_dot_product_attention_math",
        "scaled_dot_product_flash_attention_for_cpu",
        "shape_as_tensor",
        "softmax",
        "stack",
        "to_copy",
        "transform_bias_rescale_qkv",
        "transformer_encoder_layer_fwd",
        "trilinear",
        "unique",
        "unique2",
        "unsafe_index",
        "unsafe_index_put",
        "unsafe_view",
        "upsample_bicubic2d_aa",
        "upsample_bilinear2d_aa",
        "upsample_nearest_exact1d",
        "upsample_nearest_exact2d",
        "upsample_nearest_exact3d",
        "weight_norm",
        "weight_norm_interface",
    ]
) | frozenset(
    f"aten::__{name}__"
    for name in ["and", "or", "xor", "lshift", "rshift", "iand", "ior", "ixor", "ilshift", "irshift"]
)

# Ops of the program, on numbers, texts and lists, which TorchScript has beside those of tensors.
_PROGRAM_OPS = frozenset(
    f"aten::{name}"
    for name in [
        "Bool",
        "Complex",
        "ComplexImplicit",
        "Float",
        "FloatImplicit",
        "Int",
        "IntImplicit",
        "ScalarImplicit",
        "Size",
        "abs",
        "acos",
        "acosh",
        "add",
        "all",
        "angle",
        "any",
        "as_tensor",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bin",
        "broadcast_shapes",
        "capitalize",
        "ceil",
        "chr",
        "copy",
        "copy_",
        "copysign",
        "cos",
        "cosh",
        "count",
        "cpu",
        "degrees",
        "dequantize",
        "device",
        "div",
        "divmod",
        "element_size",
        "endswith",
        "eq",
        "erf",
        "erfc",
        "exp",
        "expm1",
        "fabs",
        "find",
        "floor",
        "floordiv",
        "fmod",
        "format",
        "frexp",
        "gamma",
        "gcd",
        "ge",
        "get",
        "get_autocast_dtype",
        "gt",
        "has_torch_function",
        "hex",
        "index",
        "index_put",
        "index_put_",
        "is_autocast_cpu_enabled",
        "is_autocast_enabled",
        "is_grad_enabled",
        "is_non_overlapping_and_dense",
        "is_scripting",
        "is_strides_like_format",
        "isalnum",
        "isalpha",
        "isdecimal",
        "isdigit",
        "isfinite",
        "isidentifier",
        "isinf",
        "islower",
        "isnan",
        "isnumeric",
        "isprintable",
        "isspace",
        "istitle",
        "isupper",
        "items",
        "join",
        "keys",
        "ldexp",
        "le",
        "len",
        "lgamma",
        "list",
        "log",
        "log10",
        "log1p",
        "lower",
        "lstrip",
        "lt",
        "mH",
        "mT",
        "mathremainder",
        "matrix_H",
        "max",
        "min",
        "modf",
        "mul",
        "ne",
        "neg",
        "numpy_T",
        "oct",
        "ord",
        "partition",
        "percentFormat",
        "polar",
        "pow",
        "radians",
        "remainder",
        "rfind",
        "rindex",
        "round",
        "rpartition",
        "rsplit",
        "rstrip",
        "select",
        "sin",
        "sinh",
        "size",
        "slice",
        "sort",
        "sorted",
        "split",
        "splitlines",
        "sqrt",
        "startswith",
        "str",
        "stride",
        "strip",
        "sub",
        "sum",
        "swapcase",
        "sym_size",
        "sym_stride",
        "tan",
        "tanh",
        "tensor",
        "title",
        "to",
        "upper",
        "values",
        "einsum",
        "_get_tracing_state",
        "_index_put_impl_",
        "_infer_size",
        "_list_to_tensor",
        "_ncf_unsqueeze",
        "_ncf_view",
        "_pack_sequence",
        "_size_if_not_equal",
        "_tensor_to_list",
        "_unsafe_index",
        "_unsafe_index_put",
        "_unwrap_optional",
        "__and__",
        "__contains__",
        "__derive_index",
        "__getitem__",
        "__interpolate",
        "__is__",
        "__isnot__",
        "__lshift__",
        "__not__",
        "__or__",
        "__range_length",
        "__round_to_zero_floordiv",
        "__rshift__",
        "__upsample",
        "__upsample_bilinear",
        "__upsample_nearest",
        "__xor__",
    ]
) | frozenset(
    f"prim::{name}"
    for name in [
        "NumToTensor",
        "StringIndex",
        "TupleIndex",
        "abs",
        "data",
        "device",
        "dtype",
        "index",
        "is_cpu",
        "is_cuda",
        "is_ipu",
        "is_maia",
        "is_meta",
        "is_mkldnn",
        "is_mps",
        "is_mtia",
        "is_nested",
        "is_quantized",
        "is_sparse",
        "is_sparse_csr",
        "is_vulkan",
        "is_xla",
        "is_xpu",
        "itemsize",
        "layout",
        "max",
        "min",
        "nbytes",
        "requires_grad",
        "type",
        "unchecked_cast",
        "unchecked_unwrap_optional",
    ]
)
# Overloads that make a list as long as they are told.
_GROWING = frozenset({"aten::mul.left_t", "aten::mul.right_"})


def may_be_called(name: str, overload: str) -> bool:
    """Whether the op called ``name`` (``aten::add``), in this overload, may be called while a model is captured."""
    full = f"{name}.{overload}" if overload else name
    if name in _UNSAFE or full in _GROWING:
        return False
    if not _is_of_tensors(full):
        return name in _PROGRAM_OPS
    library, _, base = name.partition("::")
    return library in _LIBRARIES and _is_plain(library, base)


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
    return name not in _UNSAFE | _READ_BLINDLY and library in _LIBRARIES and _is_plain(library, base)


def _is_plain(library: str, base: str) -> bool:
    if any(part in base for part in _OTHER_KINDS):
        return False
    return library != "aten" or not base.startswith("_") or f"aten::{base}" in _PRIVATE


def _is_of_tensors(full: str) -> bool:
    """Whether PyTorch's dispatcher knows the op; the others are those of programs."""
    try:
        return torch._C._dispatch_has_kernel(full)
    except RuntimeError:
        return False
