"""Whether a package computes what PyTorch computes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check import convert
from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification import own_movement, sensitivity, subject
from nnapi_check.lowering.verification.approximation import FLOAT_TOLERANCE
from nnapi_check.lowering.verification.subject import VerifyError
from nnapi_check.lowering.verification.verify import Verification, verify_artifact


class TwoParts(nn.Module):
    """Two parts with an op between them that has no rule, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, (3, 2))
        self.second = nn.Conv2d(8, 6, (2, 3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        middle = torch.special.i1e(self.first(x))
        return torch.relu(self.second(middle)), middle


SHAPE = (1, 3, 37, 41)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(5)
    return TwoParts().eval()


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(9))


@pytest.fixture(scope="module")
def package(model: nn.Module, photo: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "out.pt"
    report = convert(model, path, [photo], feature_level=3, verify=False)
    assert len(report.parts) == 2
    return path


def verified(
    package: Path, model: nn.Module, photo: torch.Tensor, *, layers: bool = False, level: int = 3
) -> Verification:
    facts = FactsByName(open_registry())
    return verify_artifact(package, model, [photo], level=level, facts=facts, with_layers=layers)


def test_package_runs_every_part_and_is_close(package: Path, model: nn.Module, photo: torch.Tensor) -> None:
    found = verified(package, model, photo)

    assert "PyTorch's NNAPI binding" in found.ran_in
    assert found.executions == 2
    assert [numbers.shape for numbers in found.outputs] == [(1, 6, 34, 38), (1, 8, 35, 40)]
    assert found.is_within_tolerance
    assert found.layers == ()


def test_layers_are_told_worst_first(package: Path, model: nn.Module, photo: torch.Tensor) -> None:
    layers = verified(package, model, photo, layers=True).layers

    assert {layer.part for layer in layers} == {0, 1}
    errors = [layer.numbers.max_relative for layer in layers]
    assert errors == sorted(errors, reverse=True)
    assert all(layer.numbers.is_within_tolerance for layer in layers)


def test_model_with_other_weights_is_far(package: Path, photo: torch.Tensor) -> None:
    torch.manual_seed(99)

    assert not verified(package, TwoParts().eval(), photo).is_within_tolerance


def test_model_with_other_outputs_is_refused(package: Path, photo: torch.Tensor) -> None:
    with pytest.raises(InputError, match="gives 2 outputs, the model gives 1"):
        verified(package, nn.Conv2d(3, 8, (3, 2)).eval(), photo)


def test_level_that_is_too_low_does_not_run(photo: torch.Tensor, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, (3, 2)), nn.Hardswish()).eval()
    convert(module, tmp_path / "out.pt", [photo], feature_level=4, verify=False)

    assert verified(tmp_path / "out.pt", module, photo, level=4).is_within_tolerance
    with pytest.raises(VerifyError, match="HARD_SWISH"):
        verified(tmp_path / "out.pt", module, photo, level=3)


def test_without_a_compiler_the_interpreter_runs_part_by_part(
    package: Path, model: nn.Module, photo: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_arguments: object) -> None:
        raise NoCompilerError("there is no C compiler")

    monkeypatch.setattr(subject, "load_host_runtime", missing)

    found = verified(package, model, photo)

    assert found.ran_in == "the interpreter, part by part (there is no C compiler)"
    assert found.executions == 2
    assert len(found.outputs) == 2
    assert found.is_within_tolerance


def test_wrong_weights_are_found_without_a_compiler_too(
    package: Path, photo: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_arguments: object) -> None:
        raise NoCompilerError("there is no C compiler")

    monkeypatch.setattr(subject, "load_host_runtime", missing)
    torch.manual_seed(99)

    assert not verified(package, TwoParts().eval(), photo).is_within_tolerance


def test_inputs_are_left_as_they_were(package: Path, model: nn.Module, photo: torch.Tensor) -> None:
    before = photo.clone()

    verified(package, model, photo, layers=True)

    assert torch.equal(photo, before)


def test_model_that_fails_by_itself_is_told(package: Path, photo: torch.Tensor) -> None:
    with pytest.raises(InputError, match="The model itself fails on its inputs in PyTorch"):
        verified(package, nn.Conv2d(4, 8, 3).eval(), photo)


class Approximate(nn.Module):
    """The GELU of level 1 is off by some 5e-4, which the layers around it make more or less of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 64), nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(nn.functional.gelu(self.first(x)))
        return found


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_approximate_ops_are_held_to_what_their_bounds_do_to_the_model(tmp_path: Path, scale: float) -> None:
    torch.manual_seed(6)
    module, x = Approximate().eval(), scale * torch.randn(7, 5)

    report = convert(module, tmp_path / "out.pt", [x], feature_level=3)

    assert report.readiness == "ready"
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert report.verification.tolerance == report.tolerance
    assert "1 aten.gelu.default: at most 4e-07 from the true value" in report.tolerance
    again = nnapi_check.verify(tmp_path / "out.pt", module, [x])
    assert again.is_within_tolerance
    assert [numbers.tolerance for numbers in again.outputs] == [
        numbers.tolerance for numbers in report.verification.outputs
    ]


@pytest.mark.parametrize("layers", [False, True])
def test_values_inside_are_measured_for_layers_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, layers: bool
) -> None:
    torch.manual_seed(6)
    module, x = Approximate().eval(), torch.randn(7, 5)
    convert(module, tmp_path / "out.pt", [x], feature_level=3, verify=False)
    watched: list[int] = []

    def recorded(*arguments: Any, **named: Any) -> sensitivity.Movement:
        found = sensitivity.movement(*arguments, **named)
        watched.append(len(found.values))
        return found

    monkeypatch.setattr(own_movement, "movement", recorded)
    found = verified(tmp_path / "out.pt", module, x, layers=layers)

    assert [count > 0 for count in watched] == [layers]
    assert found.is_within_tolerance
    assert [numbers.tolerance > FLOAT_TOLERANCE for numbers in found.outputs] == [True]


def test_approximate_ops_excuse_no_other_fault(tmp_path: Path) -> None:
    torch.manual_seed(6)
    module, x = Approximate().eval(), torch.randn(7, 5)
    convert(module, tmp_path / "out.pt", [x], feature_level=3, verify=False)
    with torch.no_grad():
        module.second.weight[0] *= 1.2

    assert not nnapi_check.verify(tmp_path / "out.pt", module, [x]).is_within_tolerance


def test_exact_model_is_held_to_rounding(package: Path, model: nn.Module, photo: torch.Tensor) -> None:
    assert [numbers.tolerance for numbers in verified(package, model, photo).outputs] == [FLOAT_TOLERANCE] * 2


class Cancelling(nn.Module):
    """Great products that cancel: what is left hangs on the order in which they are added."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2000, 4)
        with torch.no_grad():
            self.linear.weight[:, ::2] += 3e3
            self.linear.weight[:, 1::2] -= 3e3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.linear(x)
        return found


def test_output_that_hangs_on_the_order_of_sums_is_held_to_what_rounding_does_in_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(6)
    module = Cancelling().eval()
    x = torch.randn(3, 1000).repeat_interleave(2, 1)

    report = convert(module, tmp_path / "out.pt", [x], feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    (numbers,) = report.verification.outputs
    assert numbers.max_relative > FLOAT_TOLERANCE
    assert numbers.tolerance is not None
    assert FLOAT_TOLERANCE < numbers.tolerance < 10
    with torch.no_grad():
        module.linear.bias.add_(1e4 * numbers.max_absolute)
    assert not nnapi_check.verify(tmp_path / "out.pt", module, [x]).is_within_tolerance


@pytest.mark.parametrize("module", [nn.ELU(), nn.SELU(), nn.Hardtanh(-50.0, 3.0)])
@pytest.mark.parametrize("level", [3, 8])
def test_ways_with_greater_numbers_inside_are_held_to_what_these_round(
    module: nn.Module, level: int, tmp_path: Path
) -> None:
    x = 1e-5 * torch.linspace(-1, 1, 1500).reshape(3, 500)

    report = convert(module.eval(), tmp_path / "out.pt", [x], feature_level=level)

    assert report.readiness == "ready"
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert nnapi_check.verify(tmp_path / "out.pt", module, [x]).is_within_tolerance


def test_a_relaxed_package_tells_the_error_of_float16_and_is_held_to_float32(
    model: nn.Module, photo: torch.Tensor, tmp_path: Path
) -> None:
    report = convert(model, tmp_path / "out.pt", [photo], feature_level=3, relaxed=True, preference="low-power")

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert len(report.verification.float16) == 2
    for exact, half in zip(report.verification.outputs, report.verification.float16, strict=True):
        assert exact.max_relative < FLOAT_TOLERANCE < half.max_relative < 1e-2
    again = nnapi_check.verify(tmp_path / "out.pt", model, [photo])
    assert again.float16 == report.verification.float16


def test_a_package_that_is_not_relaxed_has_no_float16(package: Path, model: nn.Module, photo: torch.Tensor) -> None:
    assert verified(package, model, photo).half == ()


def test_numbers_beyond_float16_fail_a_relaxed_package_only(tmp_path: Path) -> None:
    x = torch.linspace(-3, 3, 40).reshape(5, 8)
    module = nn.Sequential(nn.Linear(8, 8), Overflowing()).eval()

    relaxed = convert(module, tmp_path / "relaxed.pt", [x], feature_level=3, relaxed=True).verification
    plain = convert(module, tmp_path / "plain.pt", [x], feature_level=3).verification

    assert plain is not None
    assert plain.is_within_tolerance
    assert relaxed is not None
    assert not relaxed.is_within_tolerance
    assert any("float16" in note for note in relaxed.notes)


class Overflowing(nn.Module):
    """Passes by numbers that float16 does not hold."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1e6 * 1e-6


def test_float16_is_told_without_a_compiler_too(
    model: nn.Module, photo: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(*_: object, **__: object) -> None:
        raise NoCompilerError("no compiler")

    convert(model, tmp_path / "out.pt", [photo], feature_level=3, relaxed=True, verify=False)
    monkeypatch.setattr(subject, "load_host_runtime", no_compiler)

    found = verified(tmp_path / "out.pt", model, photo)

    assert len(found.half) == 2
    assert all(FLOAT_TOLERANCE < numbers.max_relative < 1e-2 for numbers in found.half)


class Ranks(nn.Module):
    """Counts with the places of the greatest elements, of which the first row's are equal."""

    shift: torch.Tensor

    def __init__(self, shift: list[float]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([[0.0] * 4, shift]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.topk(torch.relu(x + self.shift), 2)[1]
        return 1 - places, places.to(torch.float32) * 0.5 + 1


def test_places_of_equal_elements_may_be_any_and_those_of_others_may_not(tmp_path: Path) -> None:
    x = torch.full((2, 4), -1.0)
    module = Ranks([4.0, 2.0, 3.0, 5.0]).eval()
    convert(module, tmp_path / "out.pt", [x], feature_level=8, verify=False)

    def found(model: nn.Module) -> Verification:
        facts = FactsByName(open_registry())
        return verify_artifact(tmp_path / "out.pt", model, [x], level=8, facts=facts, with_layers=True)

    assert found(module).outputs[1].max_absolute > 0
    assert found(module).is_within_tolerance
    assert not found(Ranks([4.0, 5.0, 3.0, 2.0]).eval()).is_within_tolerance


class WithNoise(nn.Module):
    """Two parts, and noise between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, (3, 2))
        self.second = nn.Conv2d(8, 6, (2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = nn.functional.dropout(torch.relu(self.first(x)), 0.5, training=True)
        made: torch.Tensor = self.second(middle + 0.1 * torch.randn_like(middle))
        return made


def test_random_numbers_are_the_same_on_both_sides(photo: torch.Tensor, tmp_path: Path) -> None:
    noisy, path = WithNoise().eval(), tmp_path / "out.pt"
    convert(noisy, path, [photo], feature_level=3, verify=False)

    before = torch.random.get_rng_state()
    found = verified(path, noisy, photo)

    assert found.executions == 2
    assert found.outputs[0].max_relative < FLOAT_TOLERANCE
    assert torch.equal(torch.random.get_rng_state(), before)


class Steady(nn.Module):
    """A convolution, and a buffer that stays what it is."""

    state: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, (3, 2))
        self.register_buffer("state", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.first(x) + self.state
        return made


class Counting(Steady):
    """The same in its first run; the buffer counts the runs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = super().forward(x)
        self.state.add_(1.0)
        return made


@pytest.mark.parametrize(("converted", "is_within"), [(Steady, False), (Counting, True)])
def test_a_model_with_a_state_is_compared_in_its_next_run_as_well(
    converted: type[Steady], is_within: bool, photo: torch.Tensor, tmp_path: Path
) -> None:
    model, source, path = Counting().eval(), converted().eval(), tmp_path / "out.pt"
    source.load_state_dict(model.state_dict())
    convert(source, path, [photo], feature_level=3, verify=False)

    found = verified(path, model, photo)

    assert found.is_within_tolerance is is_within
    assert model.state == 0
