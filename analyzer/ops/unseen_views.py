"""Ops whose results may lie where an argument lies, although their schemas say that they give new tensors.

TorchScript believes the schemas: of what is written in place to one of the two it does not see that the other has it.
"""

from __future__ import annotations

DROPOUTS = frozenset(
    f"aten::{name}" for name in ("alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout")
)
"""They give their input itself where nothing is trained."""
UNSEEN_VIEWS = DROPOUTS | frozenset(
    f"aten::{name}"
    for name in (
        *(f"_cast_{kind}" for kind in ("Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")),
        *("_saturate_weight_to_fp16", "_unsafe_view", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors"),
        *("cartesian_prod", "conj_physical", "dequantize", "einsum", "flatten_dense_tensors", "histogramdd"),
        *("meshgrid", "nonzero_numpy", "sum_to_size", "to_dense", "type_as", "unflatten_dense_tensors"),
        *("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"),
    )
)
"""Ops that may give such tensors, or several that lie where another lies."""
