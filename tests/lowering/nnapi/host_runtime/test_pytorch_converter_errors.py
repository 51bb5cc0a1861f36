"""What PyTorch's own converter gets wrong is found: the validator refuses the model, or its numbers differ."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import nn
from torch.backends._nnapi.serializer import NNAPI_OperandCode, _NnapiSerializer

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.nnapi.model import Computed, Immediate, Model, ModelInput, Operand, Operation
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.host_runtime.pytorch_converter import (
    FACTS,
    as_nhwc,
    broken_rules,
    convert,
    without_in_place,
)

SOUND = 1e-5
"""What float32 may be off where the converter is right."""


class Calls(nn.Module):
    """A module that calls one function."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def image(*shape: int) -> torch.Tensor:
    torch.manual_seed(2)
    return as_nhwc(torch.rand(shape))


def matrix(*shape: int) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.rand(shape)


@dataclass(frozen=True, slots=True)
class Refused:
    """A network whose converted model is no model of NNAPI, and the rules that it breaks."""

    net: nn.Module
    x: torch.Tensor
    rules: frozenset[Rule]


@dataclass(frozen=True, slots=True)
class Differs:
    """A network whose converted model runs and computes something else: another shape, type or numbers."""

    net: nn.Module
    x: torch.Tensor
    found: tuple[int, ...]
    wanted: tuple[int, ...]
    dtype: torch.dtype = torch.float32


REFUSED = {
    "a slice in steps has too few columns": Refused(
        Calls(lambda x: x[:, 0:5:2]), matrix(3, 7), frozenset({Rule.OUTPUT_SHAPE})
    ),
    "a slice past the end keeps the length asked for": Refused(
        Calls(lambda x: x[:, 2:20]), matrix(3, 7), frozenset({Rule.OUTPUT_SHAPE})
    ),
    "concatenation along the last dimension writes axis -1": Refused(
        Calls(lambda x: torch.cat([x, torch.relu(x)], dim=-1)), matrix(3, 7), frozenset({Rule.VALUE})
    ),
    "a tensor of rank 5 passes": Refused(nn.ReLU(), matrix(2, 3, 1, 5, 7), frozenset({Rule.RANK})),
    "a conversion of the input gives the input itself": Refused(
        Calls(lambda x: x.to(torch.int32)), matrix(3, 7), frozenset({Rule.EMPTY_MODEL, Rule.MODEL_OUTPUTS})
    ),
}

DIFFERS = {
    "softmax keeps axis 1 under NHWC": Differs(nn.Softmax(1), image(1, 3, 7, 9), (1, 3, 7, 9), (1, 3, 7, 9)),
    "ceil_mode of a maximum is ignored": Differs(
        nn.MaxPool2d((3, 2), 2, ceil_mode=True), image(1, 3, 8, 9), (1, 3, 3, 4), (1, 3, 4, 5)
    ),
    "ceil_mode of an average is ignored": Differs(
        nn.AvgPool2d((3, 2), 2, ceil_mode=True), image(1, 3, 8, 9), (1, 3, 3, 4), (1, 3, 4, 5)
    ),
    "output_padding is ignored": Differs(
        nn.ConvTranspose2d(3, 5, (3, 2), stride=2, output_padding=1), image(1, 3, 7, 9), (1, 5, 15, 18), (1, 5, 16, 19)
    ),
    "padding that counts in an average is left out of it": Differs(
        nn.AvgPool2d((3, 2), 2, padding=1), image(1, 3, 7, 9), (1, 3, 4, 5), (1, 3, 4, 5)
    ),
    "a conversion to integers keeps floats": Differs(
        Calls(lambda x: torch.relu(x).to(torch.int32)), matrix(3, 7), (3, 7), (3, 7), torch.int32
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_the_validator_refuses_the_model(runtime: HostRuntime, case: Refused) -> None:
    converted = convert(case.net, case.x)

    with torch.no_grad(), pytest.raises(RuntimeError, match="error"):
        converted(case.x)

    assert broken_rules(converted) == case.rules


@pytest.mark.parametrize("case", DIFFERS.values(), ids=DIFFERS)
def test_the_model_runs_and_computes_something_else(runtime: HostRuntime, case: Differs) -> None:
    converted = convert(case.net, case.x)

    with torch.no_grad():
        found, wanted = converted(case.x), case.net(case.x)

    assert broken_rules(converted) == set()
    assert (tuple(found.shape), tuple(wanted.shape), wanted.dtype) == (case.found, case.wanted, case.dtype)
    if (found.shape, found.dtype) == (wanted.shape, wanted.dtype):
        assert (found - wanted).abs().max() > 0.1


def test_an_average_without_padding_which_nnapi_can_compute_is_not_converted() -> None:
    with pytest.raises(Exception, match="NNAPI doesn't support count_include_pad=False"):
        convert(nn.AvgPool2d((3, 2), 2, padding=1, count_include_pad=False), image(1, 3, 7, 9))


def test_constants_of_the_same_bytes_and_other_shapes_share_an_operand() -> None:
    """The paddings of a vector have shape (1, 2); after a constant of shape (2,) they have that one's."""
    serializer = _NnapiSerializer(None)  # type: ignore[no-untyped-call]  # PyTorch's own has no annotations.
    data = struct.pack("<2i", 1, 2)
    indices = [
        serializer.add_immediate_operand(NNAPI_OperandCode.TENSOR_INT32, data, shape)  # type: ignore[no-untyped-call]
        for shape in ((2,), (1, 2))
    ]
    shared = serializer.operands[indices[1]]
    padded = Model(
        operands=(
            Operand(OperandType.TENSOR_FLOAT32, (5,), ModelInput()),
            Operand(OperandType(shared.op_type), shared.shape, Immediate(data)),
            Operand(OperandType.TENSOR_FLOAT32, (8,), Computed()),
        ),
        operations=(Operation("PAD", (0, 1), (2,)),),
        inputs=(0,),
        outputs=(2,),
    )

    faults = validate(padded, FACTS).faults

    assert indices[0] == indices[1]
    assert {fault.rule for fault in faults} == {Rule.RANK}


def test_a_network_that_it_converts_without_a_word_computes_wrong_numbers(runtime: HostRuntime) -> None:
    """SqueezeNet rounds up where it pools; the converter rounds down, and the last mean hides the other shape."""
    torch.manual_seed(5)
    net = without_in_place(torchvision.models.squeezenet1_0(weights=None)).eval()
    x = image(1, 3, 64, 96)
    converted = convert(net, x)

    with torch.no_grad():
        found, wanted = converted(x), net(x)

    assert broken_rules(converted) == set()
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() > 0.05 * wanted.abs().max()


@pytest.mark.parametrize(
    "net",
    [
        nn.MaxPool2d((3, 2), 2),
        nn.AvgPool2d((3, 2), 2),
        nn.ConvTranspose2d(3, 5, (3, 2), stride=2),
        nn.Conv2d(3, 5, (3, 2), padding=(1, 0)),
    ],
    ids=lambda net: type(net).__name__,
)
def test_what_it_gets_right_equals_pytorch(runtime: HostRuntime, net: nn.Module) -> None:
    """The comparison by which the others fail."""
    x = image(1, 3, 8, 9)
    converted = convert(net, x)

    with torch.no_grad():
        found, wanted = converted(x), net(x)

    assert broken_rules(converted) == set()
    torch.testing.assert_close(found, wanted, rtol=SOUND, atol=SOUND)
