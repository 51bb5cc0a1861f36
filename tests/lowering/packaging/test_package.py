"""A package computes what the module computes: in NNAPI, on the CPU, full and lite, wherever its parts lie."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import open_artifact
from nnapi_check.lowering.packaging.graph_copy import PackageError
from nnapi_check.lowering.packaging.saving import Form, save_package
from tests.lowering.hand_made_parts import (
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
    runs_in_nnapi,
)


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(x)
        z = torch.cumsum(y, 1)
        return torch.tanh(y) + z


class TestNumbers:
    @FORMS
    def test_convolution_runs_in_nnapi(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        module = nn.Sequential(nn.Conv2d(3, 5, (3, 2)))
        x = random_tensor(1, 3, 7, 9)
        captured = captured_module(module, x)
        artifact = reopen(packaged(captured, plain_convolution_part(captured, 0)), form)

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, module(x))

    @FORMS
    def test_another_shape_takes_the_cpu_path(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        module = nn.Sequential(nn.Conv2d(3, 5, (3, 2)))
        captured = captured_module(module, random_tensor(1, 3, 7, 9))
        artifact = reopen(packaged(captured, plain_convolution_part(captured, 0)), form)
        x = random_tensor(2, 3, 8, 9)

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 0
        torch.testing.assert_close(found, module(x))

    def test_another_element_type_takes_the_cpu_path(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        captured = captured_module(Branches(), random_tensor(2, 3))
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))))
        x = random_tensor(2, 3).double()

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 0
        torch.testing.assert_close(found, Branches()(x))

    @FORMS
    def test_use_cpu_and_use_nnapi_switch(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        x = random_tensor(2, 3)
        captured = captured_module(Branches(), x)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))), form)

        artifact.use_cpu()
        on_cpu, cpu_executions = runs_in_nnapi(nnapi, artifact, x)
        artifact.use_nnapi()
        in_nnapi, nnapi_executions = runs_in_nnapi(nnapi, artifact, x)

        assert (cpu_executions, nnapi_executions) == (0, 1)
        torch.testing.assert_close(on_cpu, in_nnapi)
        torch.testing.assert_close(on_cpu, Branches()(x))

    def test_input_in_another_memory_format_gives_the_same(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        module = nn.Sequential(nn.Conv2d(3, 5, (3, 2)))
        x = random_tensor(1, 3, 7, 9)
        captured = captured_module(module, x)
        artifact = reopen(packaged(captured, plain_convolution_part(captured, 0)))

        found, executions = runs_in_nnapi(nnapi, artifact, x.to(memory_format=torch.channels_last))

        assert executions == 1
        torch.testing.assert_close(found, module(x))

    def test_cpu_node_may_view_what_nnapi_made(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Viewed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, 5, (3, 2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                y: torch.Tensor = self.conv(x)
                return y.view(1, -1)

        module = Viewed()
        x = random_tensor(1, 3, 7, 9)
        captured = captured_module(module, x)
        artifact = reopen(packaged(captured, plain_convolution_part(captured, nodes_of(captured, "conv2d")[0])))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, module(x))


class TestWithoutNnapi:
    @FORMS
    def test_runs_on_the_cpu_after_use_cpu(self, form: Form, tmp_path: Path) -> None:
        captured = captured_module(Branches(), random_tensor(2, 3))
        path = tmp_path / "model.pt"
        save_package(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))), path, form=form)
        script = (
            "import sys, torch\n"
            "from pathlib import Path\n"
            "from nnapi_check.lowering.packaging.artifact import open_artifact\n"
            "artifact = open_artifact(Path(sys.argv[1]))\n"
            "x = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])\n"
            "try:\n"
            "    artifact.run(x)\n"
            "except RuntimeError as error:\n"
            "    print('libneuralnetworks' in str(error))\n"
            "artifact.use_cpu()\n"
            "y = torch.relu(x)\n"
            "print(torch.equal(artifact.run(x), torch.tanh(y) + torch.cumsum(y, 1)))\n"
        )

        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)

        assert done.stdout.split() == ["True", "True"]


class TestPlaces:
    def test_several_parts_with_the_cpu_between(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        x = random_tensor(2, 3)
        captured = captured_module(Branches(), x)
        parts = [elementwise_part(captured, nodes_of(captured, op)) for op in ("relu", "tanh")]
        artifact = reopen(packaged(captured, *parts))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 2
        torch.testing.assert_close(found, Branches()(x))

    def test_cpu_node_between_a_parts_nodes_is_moved_behind_it(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        x = random_tensor(2, 3)
        captured = captured_module(Branches(), x)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh"))))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, Branches()(x))

    def test_part_that_needs_its_own_results_is_refused(self) -> None:
        captured = captured_module(Branches(), random_tensor(2, 3))
        part = elementwise_part(captured, nodes_of(captured, "relu", "tanh", "add"))

        with pytest.raises(PackageError, match="from its own outputs"):
            packaged(captured, part)

    def test_output_that_is_read_but_not_named_is_refused(self) -> None:
        captured = captured_module(Branches(), random_tensor(2, 3))
        part = elementwise_part(captured, nodes_of(captured, "relu", "tanh"))
        lacking = replace(part, outputs=part.outputs[1:])

        with pytest.raises(PackageError, match=r"is no output of its part, but aten::cumsum reads it"):
            packaged(captured, lacking)

    def test_package_without_parts_is_the_module(self, reopen: Reopen) -> None:
        x = random_tensor(2, 3)
        artifact = reopen(packaged(captured_module(Branches(), x)))

        torch.testing.assert_close(artifact.run(x), Branches()(x), rtol=0, atol=0)

    @FORMS
    def test_branch_of_control_flow(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Choosing(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                y = torch.cumsum(x, 1)
                if bool(x.sum() > 0):
                    y = torch.tanh(torch.relu(y)) + x
                return torch.cumsum(y, 1)

        x = random_tensor(2, 3).abs()
        captured = captured_module(torch.jit.script(Choosing()), x)
        artifact = reopen(
            packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh", "add"))), form
        )

        taken, taken_executions = runs_in_nnapi(nnapi, artifact, x)
        passed, passed_executions = runs_in_nnapi(nnapi, artifact, -x)

        assert (taken_executions, passed_executions) == (1, 0)
        torch.testing.assert_close(taken, Choosing()(x))
        torch.testing.assert_close(passed, Choosing()(-x))

    @FORMS
    def test_body_of_a_loop(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Repeating(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                total = torch.zeros([2, 3])
                while bool(total.sum() < 20):
                    total = total + torch.relu(x)
                return total

        x = random_tensor(2, 3).abs()
        captured = captured_module(torch.jit.script(Repeating()), x)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))), form)

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions > 1
        torch.testing.assert_close(found, Repeating()(x))

    def test_size_of_a_value_inside_a_part_is_known(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Sized(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                y = torch.relu(x)
                z = torch.tanh(y)
                return torch.cumsum(z.reshape(y.size(1), y.size(0)), 1)

        x = random_tensor(2, 3)
        captured = captured_module(Sized(), x)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh"))))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, Sized()(x))

    def test_zeros_like_a_value_inside_a_part_are_made_without_it(self, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Padded(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                y = torch.relu(x)
                return torch.cat([torch.tanh(y), torch.ones_like(y)], 1)

        x = random_tensor(2, 3)
        captured = captured_module(Padded(), x)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh"))))

        found, executions = runs_in_nnapi(nnapi, artifact, x)

        assert executions == 1
        torch.testing.assert_close(found, Padded()(x))


class TestSignature:
    @FORMS
    def test_several_inputs_and_a_structured_result(self, form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
        class Pair(nn.Module):
            def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
                both = torch.relu(left) + right
                return torch.tanh(both), {"sum": both, "left": left}

        left, right = random_tensor(2, 3), random_tensor(2, 3, seed=1)
        captured = captured_module(torch.jit.script(Pair()), left, right)
        artifact = reopen(
            packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "add", "tanh"))), form
        )

        found, executions = runs_in_nnapi(nnapi, artifact, left, right)

        assert executions == 1
        torch.testing.assert_close(found, Pair()(left, right))

    def test_names_of_parameters_are_kept(self, reopen: Reopen) -> None:
        class Named(nn.Module):
            def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                return torch.relu(image) + mask

        image, mask = random_tensor(2, 3), random_tensor(2, 3, seed=1)
        captured = captured_module(Named(), image, mask)
        artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))))
        artifact.use_cpu()

        torch.testing.assert_close(artifact.method("forward")(mask=mask, image=image), Named()(image, mask))

    def test_bundled_inputs_come_back(self, tmp_path: Path) -> None:
        x = random_tensor(2, 3)
        captured = captured_module(Branches(), x)
        package = packaged(captured, elementwise_part(captured, nodes_of(captured, "relu")), bundled_inputs=((x,),))
        save_package(package, tmp_path / "model.ptl", form=Form.LITE)
        artifact = open_artifact(tmp_path / "model.ptl")

        found = artifact.method("get_all_bundled_inputs")()

        torch.testing.assert_close(found, [(x,)])
