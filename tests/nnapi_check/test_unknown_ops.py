"""Ops of which nothing is known, and those of the program around the tensors, stop no conversion."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import nnapi_check
from tests.nnapi_check.models import SHAPE, Tiny


@pytest.fixture(scope="session")
def doubling() -> Iterator[torch.library.Library]:
    """An op of somebody's own library.

    It lives as long as the process: TorchScript knows ops by their address, and would take what comes to lie at that of
    an op that is gone for the op.
    """
    library = torch.library.Library("nnapi_check_unknown", "FRAGMENT")  # type: ignore[no-untyped-call]  # it has no types
    library.define("double(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]  # it has no types
    library.impl("double", lambda x: x + x, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]  # it has no types
    library.impl("double", torch.empty_like, "Meta")  # type: ignore[no-untyped-call]  # it has no types
    yield library
    library._destroy()  # type: ignore[no-untyped-call]  # it has no types


class Between(torch.nn.Module):
    """Two small networks, and an op between them."""

    def __init__(self, op: str) -> None:
        super().__init__()
        self.before, self.after, self.op = Tiny(), torch.nn.Conv2d(6, 9, (2, 3)), op

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        namespace, name = self.op.split(".")
        found: torch.Tensor = self.after(getattr(getattr(torch.ops, namespace), name)(self.before(photo)))
        return found


class Listed(torch.nn.Module):
    """A list that only the run knows the length of, and tensors of the program's numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = Tiny(), torch.nn.Conv2d(6, 9, (2, 3))

    def forward(self, photo: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = [photo]
        named = {"first": photo}
        turns = 0
        while bool(seen[-1].max() > 0.4) and turns < 3:
            seen.append(seen[-1] * 0.5)
            named[str(turns)] = seen.pop(0)
            turns += 1
        found = self.after(self.before(photo))
        return found + seen[0].sum() + named["first"].max(), torch.tensor([turns, len(seen), len(named)])


@pytest.mark.parametrize("op", ["nnapi_check_unknown.double", "aten.special_bessel_j0"])
@pytest.mark.usefixtures("doubling")
def test_unknown_op_costs_points_and_stays_with_pytorch_in_a_model_that_converts(op: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module, photo = Between(op).eval(), [torch.rand(SHAPE)]

    report = nnapi_check.convert(module, tmp_path / "made.pt", photo, api_level=29)

    assert {node.status for node in report.nodes if node.op == f"{op}.default"} == {"unknown"}
    assert report.readiness == "not worthwhile"
    assert report.gate.is_passed
    assert sum(loss.points for loss in report.losses if loss.what == f"{op}.default") > 5
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert report.verification.executions == 2


@pytest.mark.usefixtures("doubling")
def test_strict_gate_refuses_what_is_not_known_and_nothing_is_written(tmp_path: Path) -> None:
    made = tmp_path / "made.pt"

    report = nnapi_check.convert(
        Between("nnapi_check_unknown.double").eval(), made, [torch.rand(SHAPE)], api_level=29, strict=True
    )

    assert report.gate.reasons == (
        "Nothing is known of nnapi_check_unknown.double.default; a strict gate refuses that.",
    )
    assert not made.exists()


def test_ops_of_lists_are_known_for_what_they_are_and_stay_with_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = torch.jit.script(Listed().eval())

    report = nnapi_check.convert(module, tmp_path / "made.pt", [torch.rand(SHAPE)], api_level=29, strict=True)

    ops = {node.op for node in report.nodes}
    assert {"aten.append.t", "aten.pop.t", "aten.__getitem__.t", "aten._set_item.str", "aten.tensor.default"} <= ops
    assert {node.status for node in report.nodes} == {"cpu", "native", "lowered"}
    assert report.verification is not None
    assert report.verification.is_within_tolerance
