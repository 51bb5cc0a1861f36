"""The Python API."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import nnapi_check
from nnapi_check import InputError, LevelError
from tests.nnapi_check.conftest import in_process
from tests.nnapi_check.models import SHAPE, SPEC, scripted, tiny
from tests.registry_numbers import OPERATION_COUNT


def test_nothing_is_imported_with_the_package_alone() -> None:
    told = in_process(
        code="import sys; before = set(sys.modules); import nnapi_check; print(sorted(set(sys.modules) - before))"
    )

    assert told.stdout == "['nnapi_check']\n"


def test_every_name_of_the_api_is_there_and_no_other() -> None:
    assert set(nnapi_check.__all__) <= set(dir(nnapi_check))
    assert all(getattr(nnapi_check, name).__name__ == name for name in nnapi_check.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        nnapi_check.no_such_name  # type: ignore[attr-defined]  # noqa: B018 - it is what is tried


def test_importing_the_package_imports_no_torch() -> None:
    found = in_process(
        code="import sys, nnapi_check; nnapi_check.registry().operations(); print('torch' in sys.modules)"
    )

    assert found.stdout == "False\n", found.stderr


def test_file_is_checked_at_an_api_level(tiny_model: Path) -> None:
    report = nnapi_check.check(tiny_model, api_level=29)

    assert report.readiness == "ready"
    assert report.score == 100
    assert report.feature_level == 3
    assert report.gate.is_passed


def test_path_may_be_a_text(tiny_model: Path) -> None:
    assert nnapi_check.check(str(tiny_model), feature_level=3) == nnapi_check.check(tiny_model, feature_level=3)


def test_module_in_memory_is_checked_with_tensors() -> None:
    report = nnapi_check.check(tiny(), [torch.rand(SHAPE)], feature_level=3)

    assert report.model == "Tiny"
    assert report.readiness == "ready"


def test_scripted_file_is_checked_with_specifications(tmp_path: Path) -> None:
    report = nnapi_check.check(scripted(tmp_path / "script.pt"), [SPEC], feature_level=3)

    assert report.inputs == (SPEC,)


def test_gate_is_that_of_the_command_line(tiny_model: Path) -> None:
    assert nnapi_check.check(tiny_model, feature_level=3, min_score=100, requires_ready=True).gate.is_passed


def test_cards_and_a_device_of_ones_own_are_files(tiny_model: Path, tmp_path: Path) -> None:
    cards, device = tmp_path / "cards.toml", tmp_path / "device.json"
    cards.write_text('["aten.relu.default"]\ngap = "Our devices get it wrong."\n', encoding="utf-8")
    refusals = {"schema_version": 1, "device": "Made-up 1", "operations": {"RELU": "refused"}}
    device.write_text(json.dumps(refusals), encoding="utf-8")

    with_cards = nnapi_check.check(tiny_model, api_level=29, overlay=str(cards))
    on_device = nnapi_check.convert(tiny_model, tmp_path / "made.pt", api_level=29, device=device)

    assert ("aten.relu.default", "NNC101") in {(found.op, found.reason) for found in with_cards.blockers}
    assert {found.reason for found in on_device.blockers if found.op == "aten.relu.default"} == {"NNC802"}


def test_conversion_gives_the_numbers_and_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    module = tiny().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    output = tmp_path / "tiny_nnapi.pt"

    report = nnapi_check.convert(module, output, [torch.rand(SHAPE)], api_level=29, layers=True)

    assert report.artifact == str(output)
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert report.verification.executions == 1
    assert report.verification.layers
    assert module.training
    assert all(part.training for part in module.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_converted_file_is_verified_against_the_module(tmp_path: Path) -> None:
    photo = torch.rand(SHAPE)
    nnapi_check.convert(tiny(), tmp_path / "out.pt", [photo], api_level=29, verify=False)

    assert nnapi_check.verify(tmp_path / "out.pt", tiny(), [photo]).is_within_tolerance


def test_conversion_that_the_gate_refuses_writes_nothing(tiny_model: Path, tmp_path: Path) -> None:
    script = torch.jit.script(torch.nn.Softsign().eval())

    report = nnapi_check.convert(script, tmp_path / "out.pt", ["f64[2,3]"], api_level=29)

    assert not report.gate.is_passed
    assert report.artifact is None
    assert report.verification is None
    assert not (tmp_path / "out.pt").exists()


def test_wrong_levels_are_errors_of_their_own(tiny_model: Path) -> None:
    with pytest.raises(LevelError, match="27"):
        nnapi_check.check(tiny_model, api_level=26)
    with pytest.raises(InputError, match="not both"):
        nnapi_check.check(tiny_model, api_level=29, feature_level=3)


def test_registry_knows_every_operation() -> None:
    assert len(nnapi_check.registry().operations()) == OPERATION_COUNT


@pytest.mark.parametrize("name", ["check", "convert", "verify", "registry"])
def test_public_functions_say_what_they_promise(name: str) -> None:
    function = getattr(nnapi_check, name)

    assert name in nnapi_check.__all__
    assert inspect.getdoc(function)
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty


def test_types_are_declared() -> None:
    assert (Path(nnapi_check.__file__).parent / "py.typed").is_file()


def test_explain_tells_what_the_command_does() -> None:
    assert nnapi_check.explain("NNC402").startswith("NNC402")
    with pytest.raises(nnapi_check.UserError):
        nnapi_check.explain("no such thing")


ODD = (["x"], {"x": 1}, object(), 3.5, -1, b"x", ("a",), float("nan"), 10**30)
MISTAKEN = [
    (name, value)
    for name in (
        "model",
        "inputs",
        "feature_level",
        "min_score",
        "max_parts",
        "overlay",
        "device",
        "target",
        "per_channel",
        "baseline",
        "output",
    )
    for value in ODD
    if (name, value) not in (("min_score", 3.5), ("max_parts", 10**30))
]


@pytest.mark.parametrize(("name", "value"), MISTAKEN)
def test_argument_of_a_wrong_kind_is_told_in_a_sentence(name: str, value: object, tmp_path: Path) -> None:
    call: Callable[..., object] = nnapi_check.convert
    right = {"model": tiny(), "inputs": [torch.rand(SHAPE)], "feature_level": 4, "output": tmp_path / "out.pt"}

    with pytest.raises(nnapi_check.UserError):
        call(**{**right, name: value})

    assert not any(tmp_path.iterdir())


def test_an_argument_that_no_gate_has_is_refused_as_python_does(tmp_path: Path) -> None:
    check: Callable[..., object] = nnapi_check.check
    convert: Callable[..., object] = nnapi_check.convert

    with pytest.raises(TypeError, match=r"check\(\) got an unexpected keyword argument 'max_bytes'"):
        check(tmp_path / "model.pt", max_bytes=1)
    with pytest.raises(TypeError, match=r"convert\(\) got an unexpected keyword argument 'min_scores'"):
        convert(tmp_path / "model.pt", tmp_path / "made.pt", min_scores=3, max_bytes=1)
