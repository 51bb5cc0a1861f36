"""Ops of several outputs that mean another op where nothing but the first output is read.

Decompositions write ``native_layer_norm`` for ``layer_norm``, and give the mean and the deviation with the result. Who
reads an output is known once the whole graph is captured; what another spelling of the same call means, before
(``analyzer/capture/spellings.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnapi_check.analyzer.graph import ABSENT, Argument, Graph, Node, Ref, TensorType
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings

_Arguments = Mapping[str, Argument]
_Meaning = tuple[str, _Arguments]


def _match(first: Node, around: Surroundings) -> Match | None:
    """The node as a call of the op that makes its first output, where no other is read and the call means the same."""
    if any(around.readers[value] for value in first.outputs[1:]):
        return None
    meaning = _MEANINGS[first.op](first.arguments, around.graph)
    return None if meaning is None else Match(*meaning, nodes=(), at=first, outputs=first.outputs[:1])


def _batch_norm(given: _Arguments, graph: Graph) -> _Meaning:
    return "aten.batch_norm.default", {**given, "training": False, "cudnn_enabled": False}


def _instance_norm(given: _Arguments, graph: Graph) -> _Meaning | None:
    """The statistics of a batch of one are those of its one image, which decompositions make of all images."""
    source = given["input"]
    kind = graph.type_of(source.value) if isinstance(source, Ref) else None
    if not isinstance(kind, TensorType) or not kind.rank or kind.shape[0] != 1 or given["training"] is not True:
        return None
    kept = {name: given[name] for name in ("input", "weight", "bias", "momentum", "eps")}
    no_statistics: _Arguments = {
        "running_mean": ABSENT,
        "running_var": ABSENT,
        "use_input_stats": True,
        "cudnn_enabled": False,
    }
    return "aten.instance_norm.default", {**kept, **no_statistics}


def _layer_norm(given: _Arguments, graph: Graph) -> _Meaning:
    return "aten.layer_norm.default", {**given, "cudnn_enable": False}


def _group_norm(given: _Arguments, graph: Graph) -> _Meaning:
    kept = {name: given[name] for name in ("input", "weight", "bias", "eps")}
    return "aten.group_norm.default", {**kept, "num_groups": given["group"], "cudnn_enabled": False}


def _attention(given: _Arguments, graph: Graph) -> _Meaning:
    return "aten.scaled_dot_product_attention.default", {**given, "enable_gqa": False}


def _dropout(given: _Arguments, graph: Graph) -> _Meaning | None:
    # Without a word on training it drops.
    train = given["train"]
    return ("aten.dropout.default", {**given, "train": train}) if isinstance(train, bool) else None


def _max_pool2d(given: _Arguments, graph: Graph) -> _Meaning:
    return "aten.max_pool2d.default", given


def _max_pool3d(given: _Arguments, graph: Graph) -> _Meaning:
    return "aten.max_pool3d.default", given


_MEANINGS: Mapping[str, Callable[[_Arguments, Graph], _Meaning | None]] = {
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten._native_batch_norm_legit.no_stats": _instance_norm,
    "aten._scaled_dot_product_flash_attention_for_cpu.default": _attention,
    "aten.max_pool2d_with_indices.default": _max_pool2d,
    "aten.max_pool3d_with_indices.default": _max_pool3d,
    "aten.native_dropout.default": _dropout,
    "aten.native_group_norm.default": _group_norm,
    "aten.native_layer_norm.default": _layer_norm,
}

UNREAD_OUTPUTS = Rewrite(
    name="unread-outputs",
    title="an op of which only the first output is read",
    begins=frozenset(_MEANINGS),
    makes=frozenset(
        {
            "aten.batch_norm.default",
            "aten.dropout.default",
            "aten.group_norm.default",
            "aten.instance_norm.default",
            "aten.layer_norm.default",
            "aten.max_pool2d.default",
            "aten.max_pool3d.default",
            "aten.scaled_dot_product_attention.default",
        }
    ),
    match=_match,
)
