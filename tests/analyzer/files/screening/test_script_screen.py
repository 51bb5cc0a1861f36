import os
import pickle
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar, cast

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.screening.pickle_reading import PickleError
from nnapi_check.analyzer.files.screening.positions import check_positions
from nnapi_check.analyzer.files.screening.script_loading import check_code
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.script_file import read_script
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.torchscript import quantized_as_on_phones, trace
from tests.analyzer.files.screening.hostile_files import SET_STATE, WRITES, edited, script, with_code, with_method

F = TypeVar("F", bound=Callable[..., object])
exported = cast("Callable[[F], F]", torch.jit.export)
SPEC = [parse_input_spec("f32[2,3]")]

HARMS: dict[str, tuple[Callable[[str], str], str]] = {
    "nested brackets": (
        lambda code: code.replace("torch.relu(x)", "(" * 9999 + "torch.relu(x)" + ")" * 9999),
        "nested",
    ),
    "a row of signs": (lambda code: code.replace("torch.relu(x)", "-" * 9999 + "torch.relu(x)"), "2000 parts"),
    "a chain of attributes": (lambda code: code.replace("torch.relu(x)", "x" + ".T" * 9999), "2000 parts"),
    "a chain of calls": (lambda code: code.replace("torch.relu(x)", "x" + "[0]" * 9999), "2000 parts"),
    "a chain of sums": (lambda code: code.replace("torch.relu(x)", "x" + " + x" * 9999), "2000 parts"),
    "brackets over many lines": (
        lambda code: code.replace("torch.relu(x)", "(\n" * 9999 + "torch.relu(x)" + "\n)" * 9999),
        "nested",
    ),
    "deep blocks": (
        lambda code: code.replace(
            "    return torch.relu(x)",
            "".join("  " * depth + "if True:\n" for depth in range(2, 999))
            + "  " * 999
            + "pass\n    return torch.relu(x)",
        ),
        "nested more than 100 deep",
    ),
    "a default that is computed": (
        lambda code: code.replace("x: Tensor", f"x: Tensor, y: Tensor={WRITES}"),
        "from_file",
    ),
    "a default of another call": (
        lambda code: code.replace("x: Tensor", "x: Tensor, y: Tensor=torch.ones([9, 9])"),
        "computed while loading",
    ),
    "a constant that grows": (
        lambda code: code.replace("x: Tensor", "x: Tensor, y: List[int]=[0] * 99999999999"),
        "computed",
    ),
    "a call of a name": (
        lambda code: code.replace("x: Tensor", "x: Tensor, y: int=__torch__.Kept.made (1)"),
        "computed while loading",
    ),
    "a call of a value": (
        lambda code: code.replace("x: Tensor", "x: Tensor, y: int=(__torch__.Kept.made)(1)"),
        "computed while loading",
    ),
    "a device that is computed": (
        lambda code: code.replace("x: Tensor", 'x: Tensor, y: Device=torch.device(("cpu").upper())'),
        "computed while loading",
    ),
    "a constant of the class": (
        lambda code: code.replace("  training : bool\n", "  training : bool\n  c : Final[Tensor] = torch.ones([9])\n"),
        "computed while loading",
    ),
    "an op that writes a file": (lambda code: code.replace("torch.relu(x)", WRITES), "from_file"),
    "the same under another name": (
        lambda code: code.replace("    return torch.relu(x)", '    t = torch\n    return t.from_file("MARK", True, 4)'),
        "in a way of its own",
    ),
    "the same as a method": (
        lambda code: code.replace("torch.relu(x)", '("MARK").from_file(True, 4)'),
        "in a way of its own",
    ),
    "the same over two lines": (
        lambda code: code.replace("torch.relu(x)", '(torch\n.from_file)("MARK", True, 4)'),
        "its own",
    ),
    "an op that saves": (lambda code: code.replace("torch.relu(x)", 'torch.save(x, "MARK")'), "save"),
    "an op that writes an image": (
        lambda code: code.replace("torch.relu(x)", 'ops.image.write_file("MARK", x)'),
        "image",
    ),
    "a comment": (lambda code: code.replace("torch.relu(x)", "torch.relu(x)  # nothing"), "code with '#'"),
    "text in three quotes": (lambda code: code.replace("torch.relu(x)", '"""x"""'), "code with"),
    "a state that is set in a loop": (
        with_method(SET_STATE.format(statement="while True:\n      pass")),
        "__setstate__",
    ),
    "a state that is set by an op": (with_method(SET_STATE.format(statement="_0 = torch.ones([9])")), "__setstate__"),
    "a state that is set by a method": (
        with_method(
            SET_STATE.format(statement="_0 = (self).go()")
            + "  def go(self: Tensor) -> Tensor:\n    return torch.ones([9])\n"
        ),
        "torch.ones",
    ),
    "a state that is set": (with_method(SET_STATE.format(statement="pass")), "__setstate__"),
}


@pytest.mark.parametrize("kind", HARMS)
def test_code_that_does_more_than_describe_a_model_is_refused_before_pytorch_reads_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, words = HARMS[kind]
    path = with_code(script(tmp_path), change)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(InputError, match="--trust") as raised:
        capture(path, SPEC, weights=False)

    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert os.listdir() == []


@pytest.mark.parametrize("word", ["7", "a", "a.", " ", "a) ", ")", "torch.", "(", '""'])
def test_a_word_of_a_million_letters_is_answered(word: str) -> None:
    """Searches whose time grows as the square of a word's length would take hours."""
    long = word * (1_000_000 // len(word))
    code = "class Plain(Module):\n" + SET_STATE.format(statement=f"_0 = {long}")

    with pytest.raises(SuspectError):
        check_code([code])


def test_a_state_that_is_set_runs_for_a_trusted_file(tmp_path: Path) -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = 1

        @exported
        def __getstate__(self) -> tuple[int, bool]:
            return (self.factor, self.training)

        @exported
        def __setstate__(self, state: tuple[int, bool]) -> None:
            self.factor = state[0] + 1
            self.training = state[1]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    path = script(tmp_path, Counted())

    captured = capture(path, SPEC, weights=False, trust=True)

    assert captured.graph.nodes()
    with pytest.raises(InputError, match="__setstate__"):
        capture(path, SPEC, weights=False)


class Kept(nn.Module):
    """A module with what TorchScript keeps: constants, defaults, lists, dictionaries and tuples."""

    bound: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bound", torch.tensor([0.25, 1e-7]))
        self.names = ["(", 'x"y', "\\", "# no"]
        self.sizes = {"a": 1, "b": -2}
        self.pair = (1.5e-5, True)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])

    def forward(self, x: torch.Tensor, scale: float = -1e-5, axes: list[int] | None = None) -> torch.Tensor:
        if axes is None:
            axes = [0, 1]
        for layer in self.layers:
            x = layer(x)
        if len(self.names) > self.sizes["b"]:
            x = x * self.pair[0] + scale
        return x.sum(axes) * self.bound[0]


def test_what_torchscript_keeps_is_no_harm(tmp_path: Path) -> None:
    graph = capture(script(tmp_path, Kept()), SPEC, weights=False).graph

    assert "aten.linear.default" in [node.op for node in graph.nodes()]


class Color(Enum):
    """A choice that an argument may have as its default."""

    RED = 1
    BLUE = 2


class OnDevice(nn.Module):
    """A module with defaults that TorchScript writes as calls: devices, alone and in a tuple."""

    def forward(
        self,
        x: torch.Tensor,
        device: torch.device = torch.device("cpu"),  # noqa: B008
        pair: tuple[torch.device, int] = (torch.device("cuda:1"), 1),
    ) -> torch.Tensor:
        return torch.relu(x.to(device))


class Chosen(nn.Module):
    """A module with a member of an enumeration as a default."""

    def forward(self, x: torch.Tensor, color: Color = Color.RED) -> torch.Tensor:
        return torch.relu(x) if color == Color.RED else torch.sigmoid(x)


class Turned(nn.Module):
    """A module with a complex number as a default, which TorchScript writes as a sum."""

    def forward(self, x: torch.Tensor, factor: complex = -1.5e-7 - 2j) -> torch.Tensor:
        return torch.relu(x)


@pytest.mark.parametrize("kind", [OnDevice, Chosen, Turned])
def test_defaults_that_are_written_as_calls_names_and_sums_are_no_harm(kind: type[nn.Module], tmp_path: Path) -> None:
    found = read_script(script(tmp_path, kind()), weights=False, trust=False)

    assert found.module(torch.tensor([-1.5, 2.5])).tolist() == [0.0, 2.5]


def test_a_module_with_a_device_as_default_is_captured(tmp_path: Path) -> None:
    graph = capture(script(tmp_path, OnDevice()), SPEC, weights=False).graph

    assert "aten.relu.default" in [node.op for node in graph.nodes()]


@pytest.mark.parametrize("name", ["torches", "ops0", "forked"])
def test_names_that_begin_like_those_of_libraries_are_no_harm(name: str, tmp_path: Path) -> None:
    path = with_code(
        script(tmp_path), lambda code: code.replace("(x)", f"({name})").replace("x: Tensor", f"{name}: Tensor")
    )

    assert [node.op for node in capture(path, SPEC, weights=False).graph.nodes()] == ["aten.relu.default"]


def in_data(change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda name, data: change(data) if name.endswith("/data.pkl") else data


PICKLES: dict[str, Callable[[bytes], bytes]] = {
    "another class": lambda data: data.replace(b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n"),
    "a class of its own": lambda data: data.replace(b"c__torch__.", b"c__evil__."),
    "a deep tuple": lambda data: data[:-1] + b"\x85" * 99999 + b".",
    "a place far away in memory": lambda data: b"\x80\x02}r\xff\xff\xff\xff0" + data[2:],
    "a list in itself": lambda data: data[:2] + b"]q\x00h\x00a" + data[2:],
    "an unknown opcode": lambda data: data[:-1] + b"\x95.",
}


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("weights", [True, False])
def test_a_pickle_that_reaches_out_is_refused_before_pytorch_reads_it(kind: str, weights: bool, tmp_path: Path) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(2, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight

    source = script(tmp_path, Holder())
    path = edited(source, in_data(PICKLES[kind]))
    assert path.read_bytes() != source.read_bytes()

    with pytest.raises(InputError, match="a pickle"):
        capture(path, SPEC, weights=weights)


def test_a_storage_with_more_elements_than_there_are_is_refused(tmp_path: Path) -> None:
    source = script(tmp_path, nn.Linear(3, 2))
    path = edited(source, in_data(lambda data: data.replace(b"K\x06tQ", b"M\xff\xfftQ")))
    assert path.read_bytes() != source.read_bytes()

    with pytest.raises(InputError, match="shorter than the 65535 elements"):
        capture(path, SPEC, weights=True)


def test_positions_that_are_no_plain_tuples_are_damaged(tmp_path: Path) -> None:
    path = edited(
        script(tmp_path), lambda name, data: data[:-1] + b"\x85" * 5000 + b"." if name.endswith("debug_pkl") else data
    )

    with pytest.raises(InputError, match="is damaged"):
        capture(path, SPEC, weights=False)


def positions(source: object, start: int, end: int) -> bytes:
    """A record of one line, in a table of two texts."""
    return pickle.dumps(("FORMAT_WITH_STRING_TABLE", ("abc", "file.py"), ((0, (source, start, end), 1),)), protocol=2)


def test_positions_inside_of_their_text_are_sound() -> None:
    check_positions(positions(([0], 1, 7), 0, 3))


@pytest.mark.parametrize(
    ("source", "start", "end"),
    [
        (([2], 1, 7), 0, 1),
        (([0], -1, 7), 0, 1),
        (([0], 1, 7), 0, 9),
        (([0], 1, 7), 2, 1),
        (([0], 1, 7), -1, 1),
        (0, 0, 0),
    ],
)
def test_positions_outside_of_their_text_are_damaged(source: object, start: int, end: int) -> None:
    with pytest.raises(PickleError):
        check_positions(positions(source, start, end))


@pytest.mark.parametrize("layer", [nn.Linear(3, 4), nn.LSTM(3, 4), nn.GRU(3, 4)])
def test_dynamic_quantized_layers_pack_their_weights_while_loading(layer: nn.Module, tmp_path: Path) -> None:
    quantize = torch.ao.quantization.quantize_dynamic
    module = quantize(nn.Sequential(layer), {type(layer)}, dtype=torch.qint8)  # type: ignore[no-untyped-call]
    path = tmp_path / "dynamic.pt"
    torch.jit.save(torch.jit.trace(module, torch.rand(2, 5, 3)), str(path))  # type: ignore[no-untyped-call]

    assert capture(path, None, weights=True).graph.nodes()


def test_an_object_whose_class_no_code_describes_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    model = torch.ao.quantization.QuantWrapper(nn.Conv2d(3, 4, 3)).eval()
    model.qconfig = torch.ao.quantization.get_default_qconfig("qnnpack")  # type: ignore[no-untyped-call]  # no types
    with quantized_as_on_phones():
        prepared = torch.ao.quantization.prepare(model)  # type: ignore[no-untyped-call]  # as above
        prepared(torch.rand(1, 3, 8, 8))
        made = torch.ao.quantization.convert(prepared)  # type: ignore[no-untyped-call]  # as above
        # The class of the second one has another name in the process.
        for name in ("other.pt", "quantized.pt"):
            torch.jit.save(trace(made, [torch.rand(1, 3, 8, 8)]), tmp_path / name)

    def renamed(name: str, data: bytes) -> bytes:
        return data.replace(b"modules.conv", b"modules.cOnv") if name.endswith("data.pkl") else data

    for name in ("other.pt", "quantized.pt"):
        with pytest.raises(InputError, match=r"reads module\._packed_params, and its file describes no such attribute"):
            capture(edited(tmp_path / name, renamed), None, weights=False)
