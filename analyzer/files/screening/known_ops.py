"""Which ops have no effect but their result, by name: not those that read or write files, or wait for others."""

from __future__ import annotations

from functools import cache
from typing import Protocol, cast

import torch

from nnapi_check.analyzer.ops.allowed_ops import LIBRARIES, may_be_called


def words(text: str) -> frozenset[str]:
    """The words in a text, in whatever order."""
    return frozenset(text.split())


SPACES = LIBRARIES | {"mkldnn", "onednn", "sparse"}
"""The spaces of names whose ops compute, in PyTorch and in libraries that this project knows."""

_TAKE_TEXT = words("""
    Delete Float Int __contains__ __getitem__ __interpolate __upsample _assert_async _assert_scalar _convolution_mode
    _functional_assert_async _functional_assert_scalar _linalg_check_errors _linalg_eigh _linalg_svd
    _mixed_dtypes_linear _segment_reduce_backward _set_item _sparse_mm _sparse_mm_reduce_impl
    _sparse_mm_reduce_impl_backward _sparse_semi_structured_linear _sparse_semi_structured_tile add any capitalize
    center clear conv1d conv2d conv3d copy count device dict div div_ divide divide_ einsum endswith eq expandtabs
    fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_ihfft2
    fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn find format ge gelu gelu_ gelu_backward
    get get_autocast_dtype gt index index_reduce index_reduce_ isalnum isalpha isdecimal isdigit isidentifier islower
    isnumeric isprintable isspace istitle isupper items join keys le len linalg_cond linalg_eigh linalg_eigvalsh
    linalg_lstsq linalg_matrix_norm linalg_norm linalg_qr linalg_svd linalg_svdvals list ljust lower lstrip lt meshgrid
    nanquantile ne ord pad pad_sequence partition percentFormat pop popitem quantile remove replace rfind rindex rjust
    rpartition rsplit rstrip scatter scatter_ scatter_reduce scatter_reduce_ searchsorted segment_reduce setdefault
    slice sort sorted split splitlines startswith stft strip swapcase title update upper values warn zfill
    """)
"""The ops of ``aten`` that take text and have no effect on files: of all that take any, not `from_file` and `save`."""

_OF_PRIM = words("""
    NumToTensor RaiseException TupleIndex TupleUnpack ChunkSizes ConstantChunk EnumName EnumValue StringIndex
    Uninitialized abs data device dtype id index is_cpu is_cuda is_meta is_mkldnn is_quantized is_sparse is_vulkan
    is_xpu is_mps is_nested is_ipu is_maia is_mtia is_xla is_sparse_csr itemsize layout max min name nbytes rangelist
    requires_grad tolist type unchecked_cast unchecked_unwrap_optional ModuleContainerIndex grad isinstance IfThenElse
    AutogradAdd AutogradZero BroadcastSizes ReductionSizes
    """)

_ASSERTIONS = words("_assert_scalar _batch_norm_no_update")
_OTHERS_OF_PYTORCH = words("""
    image c10d symm_mem cuda streams profiler mempool fsdp coor export debug_mode_ops inductor inductor_prims mkl
    static_runtime onnx onnx_symbolic rngprims debugprims flex_lib _c10d_functional _c10d_functional_autograd
    c10d_functional _dtensor _native _test _inductor_test torchaudio_sox rpc
""")
"""Spaces of PyTorch and its libraries whose ops read or write files, or act on the machine, or are for its own use."""
_OF_TORCHAUDIO = words("_lfilter _lfilter_core_generic_loop rnnt_loss rnnt_loss_alphas rnnt_loss_betas forced_align")


class _Schema(Protocol):
    @property
    def overload_name(self) -> str: ...

    @property
    def arguments(self) -> list[torch._C.Argument]: ...


def is_known(space: str, name: str, *, is_loaded_only: bool = False) -> bool:
    """Whether an op is known to do nothing but compute its result.

    So is one that nobody has defined, for it cannot be called. ``is_loaded_only`` takes in those of libraries that the
    user has imported: a file that names them is loaded, and they are not called until it runs.
    """
    match space:
        case "prim":
            return name in _OF_PRIM
        case "aten":
            return name in _TAKE_TEXT or not _takes_text(name)
        case "torchaudio":
            return name in _OF_TORCHAUDIO
        case _ if space in _OTHERS_OF_PYTORCH:
            return False
        case _:
            return is_loaded_only or space in SPACES or not _schemas(f"{space}::{name}")


def may_be_traced(space: str, name: str, overload: str) -> bool:
    """Whether an op may be called while an exported program is traced."""
    op = f"{space}::{name}"
    if not is_known(space, name):
        return False
    return may_be_called(op, "" if overload == "default" else overload) or name in _ASSERTIONS or not _schemas(op)


def may_be_left(space: str, name: str) -> bool:
    """Whether an op that may not be called while an exported program is traced can be noted instead.

    It is called when the converted model runs, so it does nothing but compute its result.
    """
    is_written = (
        argument.alias_info is not None for schema in _schemas(f"{space}::{name}") for argument in schema.arguments
    )
    return is_known(space, name, is_loaded_only=True) and not any(is_written)


@cache
def _takes_text(name: str) -> bool:
    # Overloads for named dimensions, which releases before 2.14 have, take the names as text.
    schemas = (schema for schema in _schemas(f"aten::{name}") if "name" not in schema.overload_name.lower())
    return any("str" in str(argument.type) for schema in schemas for argument in schema.arguments)


def _schemas(op: str) -> list[_Schema]:
    return cast("list[_Schema]", torch._C._jit_get_schemas_for_operator(op))
