"""No call that PyTorch refuses has a part on NNAPI: a quick part of ``benchmarks/refused_calls.py``."""

from collections.abc import Mapping

import pytest

from benchmarks.opinfo_calls import OpInfo, infos
from benchmarks.refused_calls import Options, refused_calls
from tests.torch_releases import since

QUICK = (
    "amax",
    "argmax",
    "argsort",
    "baddbmm",
    "bmm",
    pytest.param("gather", marks=since("2.13", "gather takes indices of 32 bits, as NNAPI does")),
    "masked_fill",
    "mean",
    "narrow",
    "nn_functional_avg_pool2d",
    "nn_functional_batch_norm",
    "nn_functional_binary_cross_entropy",
    "nn_functional_conv2d",
    "nn_functional_conv_transpose2d",
    "nn_functional_huber_loss",
    "nn_functional_layer_norm",
    "nn_functional_linear",
    "nn_functional_prelu",
    "nn_functional_soft_margin_loss",
)


@pytest.fixture(scope="module")
def by_name() -> Mapping[str, OpInfo]:
    return {info.formatted_name: info for info in infos()}


@pytest.mark.parametrize("op", QUICK)
def test_no_call_that_pytorch_refuses_has_a_part(op: str, by_name: Mapping[str, OpInfo]) -> None:
    found = list(refused_calls(by_name[op], Options(changed=6, limit=1)))

    assert found
    assert [call for call in found if call.fault] == []
