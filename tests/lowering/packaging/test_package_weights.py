"""A package stores every weight once, and computes on the device what NNAPI needs of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.emission.recipe_types import RecipeError
from nnapi_check.lowering.emission.recipes import from_call, weight
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.package import PackagedPart
from nnapi_check.lowering.packaging.saving import Form, save_package
from tests.lowering.hand_made_parts import (
    argument_weight,
    convolution_part,
    elementwise_part,
    nodes_of,
    packaged,
    plain_convolution_part,
    random_tensor,
)
from tests.lowering.running_packages import (
    FORMS,
    Reopen,
    captured_module,
    load_scripted,
    runs_in_nnapi,
    save_traced,
)


class TestWeights:
    def folded(self, captured: Captured, node_id: int) -> PackagedPart:
        (node,) = (node for node in captured.graph.nodes() if node.id == node_id)
        (norm,) = (node for node in captured.graph.nodes() if node.op == "aten.batch_norm.default")
        parameters = {name: argument_weight(captured, norm, name) for name in ("weight", "bias", "running_mean")}
        variance = argument_weight(captured, norm, "running_var")
        eps = norm.arguments["eps"]
        assert isinstance(eps, float)
        scale = parameters["weight"] * (variance + eps).rsqrt()
        part = convolution_part(
            captured,
            node_id,
            filters=(argument_weight(captured, node, "weight") * scale.reshape(-1, 1, 1, 1)).permute(0, 2, 3, 1),
            bias=(argument_weight(captured, node, "bias") - parameters["running_mean"]) * scale + parameters["bias"],
        )
        output = replace(part.outputs[0], value=norm.outputs[0])
        return replace(part, nodes=(node_id, norm.id), outputs=(output,))

    def normalized(self, channels: int) -> nn.Module:
        norm = nn.BatchNorm2d(channels)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 2.0, generator=generator)
        return nn.Sequential(nn.Conv2d(3, channels, (3, 2)), norm).eval()

    @FORMS
    def test_folded_weights_are_computed_on_the_device(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        module = self.normalized(5)
        x = random_tensor(1, 3, 7, 9)
        captured = captured_module(module, x)
        artifact = reopen(packaged(captured, self.folded(captured, nodes_of(captured, "conv2d")[0])), form)

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, module(x))

    @FORMS
    def test_file_is_hardly_larger_than_the_original(self, form: Form, tmp_path: Path) -> None:
        module = nn.Sequential(*(nn.Conv2d(160, 160, (3, 2)) for _ in range(4)))
        x = random_tensor(1, 160, 15, 11)
        original = tmp_path / "original.pt"
        save_traced(module, x, original)
        captured = captured_module(module, x)
        parts = [plain_convolution_part(captured, node) for node in nodes_of(captured, "conv2d")]

        save_package(packaged(captured, *parts), tmp_path / "model.pt", form=form)

        assert (tmp_path / "model.pt").stat().st_size <= 1.02 * original.stat().st_size

    @FORMS
    def test_large_literal_is_stored_once_and_shared(self, form: Form, tmp_path: Path) -> None:
        class Literal(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = random_tensor(300, 301)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.cumsum(x + self.table, 1) * self.table

        captured = captured_module(Literal(), random_tensor(300, 301))
        parts = [elementwise_part(captured, nodes_of(captured, op)) for op in ("add", "mul")]

        save_package(packaged(captured, *parts), tmp_path / "model.pt", form=form)

        size = (tmp_path / "model.pt").stat().st_size
        assert 300 * 301 * 4 < size < 1.2 * 300 * 301 * 4

    def test_weight_that_nnapi_takes_as_it_is_shares_its_memory(self, tmp_path: Path) -> None:
        class Scaled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(random_tensor(2, 3))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x * self.scale

        captured = captured_module(Scaled(), random_tensor(2, 3))
        save_package(
            packaged(captured, elementwise_part(captured, nodes_of(captured, "mul"))),
            tmp_path / "model.pt",
            form=Form.FULL,
        )
        loaded = load_scripted(tmp_path / "model.pt")

        assert loaded.nnapi_buffers()[0][0].data_ptr() == loaded.model.scale.data_ptr()

    def test_constant_that_nodes_compute_is_computed_again(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Derived(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(random_tensor(3, 2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x * (torch.exp(self.scale).t() + torch.ones_like(x))

        x = random_tensor(2, 3)
        module = Derived()
        captured = captured_module(module, x)
        (product,) = nodes_of(captured, "mul")
        artifact = reopen(packaged(captured, elementwise_part(captured, [product])))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, module(x))
        torch.testing.assert_close(artifact.parts[0].buffers[0], module.scale.exp().t() + 1)

    def test_constant_in_the_form_of_a_number_is_computed_again(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Halved(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x * torch.full_like(x, 0.5)

        captured = captured_module(Halved(), torch.tensor(0.75))
        (product,) = nodes_of(captured, "mul")
        artifact = reopen(packaged(captured, elementwise_part(captured, [product])))

        found, executions = runs_in_nnapi(nnapi, artifact, torch.tensor(0.75))

        assert (found, executions) == (torch.tensor(0.375), 1)

    def test_recipe_that_declares_another_shape_is_refused(self) -> None:
        captured = captured_module(nn.Sequential(nn.Conv2d(3, 5, (3, 2))), random_tensor(1, 3, 7, 9))
        part = plain_convolution_part(captured, 0)
        wrong = weight(1, captured.input_types[0])

        with pytest.raises(RecipeError, match="declares"):
            packaged(captured, replace(part, buffers=(wrong, wrong)))

    def test_call_that_claims_another_shape_is_refused(self) -> None:
        captured = captured_module(nn.Sequential(nn.Conv2d(3, 5, (3, 2))), random_tensor(1, 3, 7, 9))
        part = plain_convolution_part(captured, 0)
        filters, bias = part.buffers
        wrong = from_call("aten.exp.default", (bias,), shape=(4,), dtype=ElementType.FLOAT32)

        with pytest.raises(RecipeError, match="declares"):
            packaged(captured, replace(part, buffers=(filters, wrong)))
