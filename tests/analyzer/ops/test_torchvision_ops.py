"""Ops of models that we did not write have cards."""

import pytest

from nnapi_check import registry

pytest.importorskip("torchvision", reason="torchvision is not installed")

SMALL = ["mobilenet_v2", "shufflenet_v2_x0_5", "lraspp_mobilenet_v3_large", "quantized_mobilenet_v2", "ssd300_vgg16"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore")
def test_every_op_of_a_torchvision_model_has_a_card(name: str) -> None:
    from benchmarks.torchvision_ops import ops_of

    known = registry()

    found = ops_of(name)

    assert len(found) > 5
    assert [op for op in sorted(found) if not known.has_card(op)] == []
