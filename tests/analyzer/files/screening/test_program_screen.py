import io
import json
import logging
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.screening.program_json import Json, screened_program
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from tests.analyzer.files.screening.hostile_files import edited, program, with_program
from tests.torch_releases import since

COMMAND = "touch MARK"
CALL = f"__import__('os').system({COMMAND!r})"
Document = dict[str, Any]


def nodes(document: Document) -> list[Document]:
    found: list[Document] = document["graph_module"]["graph"]["nodes"]
    return found


def of_call(target: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        command = {"name": "command", "arg": {"as_string": COMMAND}, "kind": 1}
        node: Document = {
            "target": target,
            "inputs": [command],
            "outputs": [],
            "metadata": {},
            "is_hop_single_tensor_return": None,
        }
        nodes(document).insert(0, node)

    return change


def renamed(name: str) -> Callable[[Document], None]:
    """The program with its value ``relu`` renamed; PyTorch writes Python source with the names."""

    def change(document: Document) -> None:
        text = json.dumps(document).replace('"relu"', json.dumps(name))
        document.clear()
        document.update(json.loads(text))

    return change


def of_tree(**fields: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        signature = document["graph_module"]["module_call_graph"][0]["signature"]
        tree = {"type": "builtins.tuple", "context": "null", "children_spec": [], **fields}
        signature["in_spec"] = json.dumps([1, tree])

    return change


def of_sizes(text: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        def walk(item: object) -> None:
            if isinstance(item, dict):
                if "expr_str" in item:
                    item["expr_str"] = text
                for value in item.values():
                    walk(value)
            elif isinstance(item, list):
                for value in item:
                    walk(value)

        walk(document)

    return change


HARMS: dict[str, Callable[[Document], None]] = {
    "guards": lambda document: document.update(guards_code=[f"{CALL} == 0"]),
    "a function of another module": of_call("torch.os.system"),
    "a function of Python": of_call("_operator.methodcaller"),
    "a function of PyTorch": of_call("torch.load"),
    "a function by attributes": of_call("torch.ops.aten.relu.default.__class__"),
    "an op that writes a file": of_call("torch.ops.aten.from_file.default"),
    "an op that writes an image": of_call("torch.ops.image.write_file.default"),
    "an op that changes what a tensor points to": of_call("torch.ops.aten.set_.source_Tensor"),
    "an extension": of_call("#evil:call"),
    "a name with source": renamed(f"relu = {CALL}\n    y"),
    "a name in three parts": renamed("relu; import os"),
    "a tree of another class": of_tree(type="torch.utils.data.Dataset"),
    "a tree that imports": of_tree(type="collections.defaultdict", context=json.dumps(["os", "system"])),
    "a tree with an enumeration": of_tree(context=json.dumps({"__enum__": True, "fqn": "os:system"})),
    "an argument with quotes": lambda document: nodes(document)[0]["inputs"].append(
        {"name": "x", "arg": {"as_string": f"'); {CALL}"}, "kind": 1}
    ),
    "an object": lambda document: document["graph_module"]["graph"]["custom_obj_values"].update(
        {"x": {"name": "x", "class_fqn": "evil"}}
    ),
}


@pytest.mark.parametrize("kind", HARMS)
def test_a_program_that_does_more_than_describe_is_refused_before_pytorch_reads_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_program(program(tmp_path), HARMS[kind])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(InputError, match="--trust") as raised:
        capture(path, None, weights=False)

    assert "\n" not in str(raised.value)
    assert os.listdir() == []


def test_a_size_that_is_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_program(program(tmp_path, is_dynamic=True), of_sizes(CALL))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(InputError, match="no plain expression"):
        capture(path, None, weights=False)

    assert os.listdir() == []


def test_a_program_with_sizes_that_vary_is_read_for_the_sizes_of_its_inputs(tmp_path: Path) -> None:
    graph = capture(program(tmp_path, is_dynamic=True), [parse_input_spec("f32[7,3]")], weights=False).graph

    assert [node.op for node in graph.nodes()] == ["aten.relu.default"]
    assert graph.type_of(graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (7, 3))


class ChannelsLast(nn.Module):
    """What computes with the greater of sizes: whether a tensor lies in one piece is asked of each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, stride=2)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.linear(self.conv(x).permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2).contiguous()


@since("2.6", "sizes vary without a name")
def test_an_image_of_any_size_may_be_compared_by_the_greater_of_its_sizes(tmp_path: Path) -> None:
    path, varies = tmp_path / "image.pt2", torch.export.Dim.DYNAMIC
    exported = torch.export.export(
        ChannelsLast().eval(), (torch.rand(1, 3, 8, 10),), dynamic_shapes=({2: varies, 3: varies},)
    )
    torch.export.save(exported, path)

    graph = capture(path, [parse_input_spec("f32[1,3,8,12]")], weights=False).graph

    assert graph.type_of(graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (1, 4, 4, 6))


def with_example(source: Path, **attributes: object) -> Path:
    """The program with an example input that has attributes."""
    return _with(source, torch.rand(4, 3), attributes)


def _with(source: Path, example: torch.Tensor, attributes: Mapping[str, object]) -> Path:
    data = io.BytesIO()
    for name, value in attributes.items():
        setattr(example, name, value)
    torch.save(((example,), {}), data)
    places = ("sample_inputs/model.pt", "serialized_example_inputs.pt")
    return edited(source, lambda name, old: data.getvalue() if name.endswith(places) else old)


@since("2.4", "examples lie beside the program")
def test_an_example_may_be_marked_with_the_sizes_that_vary(tmp_path: Path) -> None:
    path = with_example(program(tmp_path), _specialize_on={0: [], 1: []}, _dynamo_strict_unbacked=None)

    assert [node.op for node in capture(path, None, weights=False).graph.nodes()] == ["aten.relu.default"]


def with_parameter(source: Path, **attributes: object) -> Path:
    """The program with an example input that is a parameter with attributes."""
    return _with(source, nn.Parameter(torch.rand(4, 3)), attributes)


@since("2.4", "examples lie beside the program")
def test_a_parameter_may_be_marked_with_what_is_fixed_of_it(tmp_path: Path) -> None:
    path = with_parameter(program(tmp_path), _dynamo_static_input_type="unguarded")

    assert [node.op for node in capture(path, None, weights=False).graph.nodes()] == ["aten.relu.default"]


@since("2.4", "examples lie beside the program")
@pytest.mark.parametrize(
    "attributes", [{"mark": 1}, {"_dynamo_kind": Path("x")}, {"_dynamo_x": {0: [nn.Linear]}}], ids=str
)
def test_a_parameter_with_other_attributes_is_refused(tmp_path: Path, attributes: dict[str, object]) -> None:
    path = with_parameter(program(tmp_path), **attributes)

    with pytest.raises(InputError, match="plain tensors"):
        capture(path, None, weights=False)


@since("2.4", "examples lie beside the program")
@pytest.mark.parametrize(
    "attributes",
    [{"backward": None}, {"_specialize_on": {0: [torch.zeros(2)]}}, {"_dynamo_X": 3}, {"mark": Path("x")}],
    ids=str,
)
def test_an_example_with_other_attributes_is_refused(tmp_path: Path, attributes: dict[str, object]) -> None:
    path = with_example(program(tmp_path), **attributes)

    with pytest.raises(InputError, match="plain tensors"):
        capture(path, None, weights=False)


def test_tensors_of_a_class_of_its_own_are_told_how_to_become_plain(tmp_path: Path) -> None:
    path = with_program(program(tmp_path), of_call("torch.ops.export.access_subclass_inner_tensor.default"))

    with pytest.raises(InputError, match=r"wanted plain tensors \(torchao\.utils\.unwrap_tensor_subclass"):
        capture(path, None, weights=False)


@since("2.8", "programs are archives with folders")
def test_what_pytorch_logs_of_a_damaged_program_is_kept_from_the_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = edited(program(tmp_path), lambda name, data: b"9" if name.endswith("archive_version") else data)

    with pytest.raises(InputError, match="cannot be loaded as an exported program"):
        capture(path, None, weights=False)

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@since("2.8", "programs are archives with folders")
def test_an_object_in_a_pickle_is_refused(tmp_path: Path) -> None:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"x": entry}}).encode()
    path = edited(
        program(tmp_path), lambda name, data: config if name.endswith("model_constants_config.json") else data
    )

    with pytest.raises(InputError, match="an object in a pickle"):
        capture(path, None, weights=False)


def test_what_pytorch_need_not_read_is_not_there_for_it(tmp_path: Path) -> None:
    source = program(tmp_path)
    path = tmp_path / "more.pt2"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry))
        # PyTorch would load the library from here, and read the second program.
        new.writestr("plain/data/aotinductor/model/library.so", b"\x7fELF")
        new.writestr("plain/models/second.json", b"{}")

    assert [node.op for node in capture(path, None, weights=False).graph.nodes()] == ["aten.relu.default"]


def test_of_what_a_node_tells_of_itself_files_lines_and_the_path_of_its_module_are_left() -> None:
    stack = f'File "net.py", line 4, in forward\n    {CALL}\n  File "a\x1b]b.py", line 5, in forward\n{COMMAND}'
    modules = "L__self__,,net.Net;getattr(L__self__parts, '0'),parts.0,torch.nn.modules.conv.Conv2d"
    told: dict[str, Json] = {"stack_trace": stack, "nn_module_stack": modules, "torch_fn": CALL, "custom": CALL}

    assert screened_program({"metadata": told}) == {
        "metadata": {"stack_trace": 'File "net.py", line 4, in forward', "nn_module_stack": "module,parts.0,"}
    }


@pytest.mark.parametrize("modules", ["", "net", "a,b;c", "key,a path,class", ["a", "b", "c"], None])
def test_what_is_no_list_of_modules_leads_to_none(modules: Json) -> None:
    assert screened_program({"metadata": {"nn_module_stack": modules}}) == {"metadata": {}}


class Several(nn.Module):
    """Inputs and outputs in a tuple and a dictionary, buffers, and an argument that is text."""

    offset: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.register_buffer("offset", torch.arange(4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(self.layer(x) + self.offset, approximate="tanh")


@pytest.mark.parametrize("is_decomposed", [False, True])
def test_an_honest_program_is_read_as_before(is_decomposed: bool, tmp_path: Path) -> None:
    exported = torch.export.export(Several().eval(), (torch.rand(2, 3),))
    path = tmp_path / "several.pt2"
    torch.export.save(exported.run_decompositions() if is_decomposed else exported, path)

    ops = [node.op for node in capture(path, None, weights=True).graph.nodes()]

    assert any(op.startswith("aten.gelu") for op in ops), ops
