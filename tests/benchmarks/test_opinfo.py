"""A yes to one of PyTorch's own samples is not followed by a no: a quick part of ``benchmarks/opinfo.py``."""

from collections.abc import Mapping

import pytest

from benchmarks.opinfo import Options, listing, table, try_op
from benchmarks.opinfo_calls import OpInfo, infos
from nnapi_check.coverage_db.targets import NDK

QUICK = (
    "abs",
    "acosh",
    "add",
    "addr",
    "amax",
    "argmax",
    "atan2",
    "bmm",
    "ceil",
    "chunk",
    "clamp",
    "einsum",
    "exp",
    "floor",
    "hypot",
    "index_add",
    "index_select",
    "lerp",
    "logaddexp",
    "logsumexp",
    "masked_fill",
    "matmul",
    "mean",
    "mul",
    "nn_functional_avg_pool2d",
    "nn_functional_hardshrink",
    "nn_functional_layer_norm",
    "nn_functional_linear",
    "nn_functional_relu",
    "permute",
    "prod",
    "select",
    "softmax",
    "sum",
    "topk",
    "transpose",
    "unsqueeze",
    "where",
)


QUICK_IN_THE_RUNTIME = (
    "addr",
    "argmax",
    "einsum",
    "index_select",
    "nn_functional_avg_pool2d",
    "softmax",
    "topk",
    "where",
)


@pytest.fixture(scope="module")
def by_name() -> Mapping[str, OpInfo]:
    return {info.formatted_name: info for info in infos()}


@pytest.mark.parametrize("op", QUICK)
def test_a_yes_to_a_sample_of_pytorch_is_not_followed_by_a_no(op: str, by_name: Mapping[str, OpInfo]) -> None:
    found = list(try_op(by_name[op], Options(limit=2, share=0)))

    assert found
    assert list(listing(found)) == []


@pytest.mark.parametrize("op", QUICK_IN_THE_RUNTIME)
def test_a_model_file_of_a_sample_gives_in_the_runtime_what_was_promised(
    op: str, by_name: Mapping[str, OpInfo]
) -> None:
    found = list(try_op(by_name[op], Options(levels=(1, 8), limit=2, share=0, dtypes=("float32",), target=NDK)))

    assert any(item.answer.accepted for item in found)
    assert list(listing(found)) == []


def test_the_table_counts_what_was_accepted(by_name: Mapping[str, OpInfo]) -> None:
    found = list(try_op(by_name["floor"], Options(levels=(8,), limit=1, share=0, dtypes=("float32",))))

    assert "1 ops, 1 calls" in table(found, (8,))
    assert "level 8: 1 yes, 0 no, 0 wrong" in table(found, (8,))
