"""Calls in other spellings."""

from pathlib import Path

import pytest
import torch

from nnapi_check import check, convert, registry
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.capture.spellings import respelled
from tests.analyzer.torch_models import Called, Function

aten = torch.ops.aten

SPELLINGS: list[tuple[str, Function, str, dict[str, object]]] = [
    ("mT", lambda x: x.mT, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("mH", lambda x: x.mH, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("adjoint", torch.adjoint, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("ravel", torch.ravel, "aten.flatten.using_ints", {"start_dim": 0, "end_dim": -1}),
    ("number minus tensor", lambda x: aten.sub.Tensor(1, x, alpha=3), "aten.rsub.Scalar", {"other": 1, "alpha": 3}),
    ("number plus tensor", lambda x: aten.add.Tensor(2.5, x), "aten.add.Tensor", {"other": 2.5}),
    ("number times tensor", lambda x: aten.mul.Tensor(2.5, x), "aten.mul.Tensor", {"other": 2.5}),
    ("swapaxes", lambda x: x.swapaxes(0, 2), "aten.transpose.int", {"dim0": 0, "dim1": 2}),
    ("multiply", lambda x: torch.multiply(x, x), "aten.mul.Tensor", {}),
    ("quotient by a number", lambda x: torch.div(x, 2, rounding_mode="floor"), "aten.div.Scalar_mode", {"other": 2}),
    ("norm", lambda x: torch.linalg.norm(x, dim=1), "aten.linalg_vector_norm.default", {"ord": 2, "dim": (1,)}),
    ("sums", lambda x: torch.linalg.norm(x, 1, 1), "aten.linalg_vector_norm.default", {"ord": 1, "dim": (1,)}),
    ("matrices", lambda x: torch.linalg.norm(x, dim=(0, 1)), "aten.linalg_vector_norm.default", {"ord": 2}),
    ("spectrum", lambda x: torch.linalg.norm(x, 2, (0, 1)), "aten.linalg_norm.default", {"ord": 2}),
    ("clip", lambda x: torch.clip(x, 0, 1), "aten.clamp.default", {"min": 0, "max": 1}),
    (
        "bucketize",
        lambda x: torch.bucketize(x, torch.tensor([0.5]), right=True),
        "aten.searchsorted.Tensor",
        {"right": 1},
    ),
]

_PROCESSOR = torch.device("cpu")
_OF_TORCHSCRIPT = ("aten.index.Tensor_hacked_twin", "aten.index_put.hacked_twin")
_OF_EXPORTS = tuple(
    f"quantized_decomposed.{name}.default"
    for name in ("quantize_per_tensor", "dequantize_per_tensor", "dequantize_per_channel")
)
"""Tried in ``test_decomposed_quantization.py``."""
_OF_PROGRAMS = ("aten.to.prim_Device", "aten.to.prim_dtype", "aten.to.prim_other")


class Moved(torch.nn.Module):
    """Asks for devices and element types in every way that only scripts write."""

    def forward(
        self, x: torch.Tensor, device: torch.device = _PROCESSOR, dtype: torch.dtype | None = None
    ) -> torch.Tensor:
        kept = x.to(device) * x.to(device, None) + x.to(x.device, dtype) + x.to(dtype).cpu()
        table = torch.tensor([[1.0, 2.5, 3.0]], device=x.device) + torch.as_tensor([1, 2, 4], dtype=x.dtype)
        return kept * table + torch.zeros(x.shape, device=device)


def test_spellings_with_a_card_are_those_tried_here() -> None:
    written = {card.op for card in registry().cards() if card.family == "spellings" and "convolution" not in card.op}

    plain = {
        f"aten.{name}.default" for name in ("mT", "mH", "adjoint", "ravel", "detach", "swapaxes", "cpu", "linalg_norm")
    }
    assert written == {*plain, *_OF_PROGRAMS, *_OF_TORCHSCRIPT, *_OF_EXPORTS}


def test_script_that_names_devices_runs_on_nnapi_as_a_whole_and_gives_the_same_numbers(tmp_path: Path) -> None:
    torch.manual_seed(2)

    report = convert(torch.jit.script(Moved().eval()), tmp_path / "made.pt", [torch.rand(4, 3)], feature_level=3)

    assert (report.readiness, report.score) == ("ready", 100)
    ops = {node.op for node in report.nodes}
    assert ops == {"aten.to.dtype_layout", "aten.alias.default", "aten.mul.Tensor", "aten.add.Tensor"}
    assert report.verification is not None
    assert report.verification.is_within_tolerance


@pytest.mark.parametrize("overload", _OF_PROGRAMS)
def test_cast_of_a_script_is_known_by_the_name_that_exports_give_it(overload: str) -> None:
    op, arguments = respelled(overload, {"self": 1, "dtype": 5} if "other" not in overload else {"self": 1}, {})

    assert op == "aten.to.dtype_layout"
    assert arguments["dtype"] == (None if "other" in overload else "f16")


def test_write_to_a_tensor_that_was_asked_for_on_the_processor_is_seen_in_the_tensor_itself(tmp_path: Path) -> None:
    class Written(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = x * 2
            made.cpu().add_(1.0)
            made.to(x.device).mul_(3.0)
            found: torch.Tensor = self.layer(self.layer(made + x))
            return found

    report = convert(torch.jit.script(Written().eval()), tmp_path / "made.pt", [torch.rand(9, 64)], feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_detached_tensor_is_the_tensor_itself() -> None:
    graph = capture(Called(torch.detach), [torch.rand(2, 3, 5)], weights=False).graph

    assert graph.body.outputs == graph.body.inputs


@pytest.mark.parametrize(("name", "function", "op", "arguments"), SPELLINGS, ids=[case[0] for case in SPELLINGS])
def test_other_spellings_of_a_call_become_the_one_with_a_card(
    name: str, function: Function, op: str, arguments: dict[str, object]
) -> None:
    (node,) = capture(Called(function), [torch.rand(2, 3, 5)], weights=False).graph.nodes()

    assert node.op == op
    assert {key: node.arguments[key] for key in arguments} == arguments


@pytest.mark.parametrize("alpha", [1, 3])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
def test_number_before_a_tensor_is_no_fault(op: str, alpha: int) -> None:
    called = getattr(aten, op).Tensor
    given = {"alpha": alpha} if op in ("add", "sub") else {}

    report = check(Called(lambda x: called(2.5, x + 1, **given)), [torch.rand(3, 5)], feature_level=3)

    assert report.nodes[-1].op.startswith("aten.")
    assert (report.nodes[-1].part is None) == (op == "div" or (op, alpha) == ("add", 3))
