"""Honest files of every kind that is read, and damaged copies of them with checksums that are right."""

from __future__ import annotations

import json
import random
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.torchscript import quantized_as_on_phones, trace

SHAPE = (1, 3, 16, 16)
SPEC = "f32[1,3,16,16]"
MARKER = "MARK"
ODD = (
    b"\x00",
    b"\xff",
    b"(",
    b"\x85",
    b"q",
    b"h\x00",
    b"R",
    b"]",
    b"}",
    b"\x80\x02",
    b"X\xff\xff\xff\x7f",
    b"c__torch__\nA\n",
)
ODD_TEXT = (
    *("(", ")", "[0]", "-", ".T", ", ", "\n", "  ", "while True:\n", "self", "None", "0", "-1", "9223372036854775807"),
    *(f'torch.from_file("{MARKER}", True, 4)', "torch.ones([99999, 99999])", "[0] * 9999999999", "@", '"', "\\", "#"),
    *(
        "torch",
        "ops.prim.tolist",
        "uninitialized(Tensor)",
        "annotate(List[int], [])",
        "CONSTANTS.c0",
        "__torch__",
        "fork",
    ),
)
ODD_JSON: tuple[object, ...] = (
    *(None, 0, -1, 1 << 63, 1e308, True, "", "x" * 5000, [], {}, [[]], "torch.os.system", "s0", "9**9**9"),
    *(f"__import__('os').system('touch {MARKER}')", "torch.ops.aten.add.Tensor", "relu\nimport os"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """An honest file: its name, its bytes, and the command line that reads it."""

    name: str
    data: bytes
    arguments: tuple[str, ...]


def samples() -> list[Sample]:
    """A small honest file of every kind that is read."""
    warnings.simplefilter("ignore")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.names = ["a", "b"]
            self.last = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            y = torch.relu(self.norm(self.first(x)))
            if y.size(0) > 1:
                y = y * 2
            for _ in range(len(self.names)):
                y = y + y[:, :, 0:1]
            y = self.last(y.mean([2, 3]))
            return y, {"first": y}

    class Row(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))

    x = torch.rand(SHAPE)
    net, row = Net().eval(), Row().eval()
    scripted = torch.jit.script(net)
    traced = trace(row, [x])
    level = ("--api-level", "29")
    given = (*level, "--input", SPEC)
    found = [
        Sample("scripted.pt", _saved(partial(torch.jit.save, scripted)), given),
        Sample("traced.pt", _saved(partial(torch.jit.save, traced)), level),
        Sample("lite.ptl", _saved(lambda path: scripted._c._save_for_mobile(path, {}, False, False)), given),
        Sample("quantized.pt", _saved(partial(torch.jit.save, _quantized(Row(), x))), level),
        Sample("program.pt2", _saved(partial(torch.export.save, torch.export.export(row, (x,))), ".pt2"), level),
        Sample("pickled.pt", _saved(partial(torch.save, row.state_dict())), given),
    ]
    rows = torch.export.Dim("rows", min=1, max=9)
    dynamic = torch.export.export(row, (torch.rand(4, 3, 16, 16),), dynamic_shapes=({0: rows},))
    found.append(Sample("dynamic.pt2", _saved(partial(torch.export.save, dynamic), ".pt2"), given))
    for lite, name in ((False, "converted.pt"), (True, "converted_lite.ptl")):
        convert = partial(nnapi_check.convert, traced, inputs=[x], api_level=29, lite=lite, verify=False)
        found.append(Sample(name, _saved(convert), ("inspect",)))
    convert = partial(nnapi_check.convert, traced, inputs=[x], api_level=29, target="ndk", verify=False)
    found.append(Sample("model.nnc", _saved(convert, "", "model.nnc"), ("inspect",)))
    operations = {"CONV_2D": {"TENSOR_FLOAT32": "accepted", "TENSOR_QUANT8_ASYMM": "refused"}, "TRANSPOSE": "refused"}
    profile = {"schema_version": 1, "device": "phone", "unlisted": "accepted", "operations": operations}
    report = nnapi_check.check(traced, [x], api_level=29).as_json()
    found += [
        Sample("device.json", json.dumps(profile).encode(), ("--device", *level)),
        Sample("baseline.json", report.encode(), ("--baseline", *level)),
        Sample("cards.toml", b'["aten.relu.default"]\ngap = "Our devices get it wrong."\n', ("--registry", *level)),
        Sample(
            "nnapi-check.toml",
            b"[level]\napi_level = 29\n\n[gate]\nmin_score = 90.0\nrequire_ready = true\n",
            ("project",),
        ),
    ]
    return found


def _quantized(module: torch.nn.Module, x: torch.Tensor) -> torch.jit.ScriptModule:
    from torch.ao import quantization

    wrapped = quantization.QuantWrapper(module).eval()
    wrapped.qconfig = quantization.get_default_qconfig("qnnpack")  # type: ignore[no-untyped-call]
    with quantized_as_on_phones():
        prepared = quantization.prepare(wrapped)  # type: ignore[no-untyped-call]
        prepared(x)
        return trace(quantization.convert(prepared), [x])  # type: ignore[no-untyped-call]


def _saved(save: Callable[[str], object], suffix: str = ".pt", member: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        save(str(path))
        return (path / member).read_bytes()


def damaged(source: random.Random, sample: Sample) -> bytes:
    """A damaged copy: of an archive mostly in its members, with checksums that are right."""
    data = sample.data
    if source.random() < 0.15:
        return _damaged_bytes(source, data)
    if not data.startswith(b"PK"):
        return _damaged_member(source, sample.name, data)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    weights = [0.05 if "/data/" in name or "/constants/" in name else 1.0 for name, _ in members]
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        place = source.choices(range(len(members)), weights)[0]
        name, old = members[place]
        members[place] = name, _damaged_member(source, name, old)
    match source.randrange(40):
        case 0:
            members.append((members[0][0], b"again"))
        case 1:
            del members[source.randrange(len(members))]
        case 2:
            first, second = source.sample(range(len(members)), 2)
            members[first] = members[first][0], members[second][1]
        case _:
            pass
    return _archive(members)


def _archive(members: list[tuple[str, bytes]]) -> bytes:
    out, directory = bytearray(), bytearray()
    for name, data in members:
        text = name.encode()
        fields = (20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(text), 0)
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, len(out)) + text
        out += struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + text + data
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return bytes(out + directory + end)


def _damaged_member(source: random.Random, name: str, data: bytes) -> bytes:
    if name.endswith((".py", ".toml")) and source.random() < 0.8:
        return _damaged_text(source, data.decode(errors="replace")).encode()
    if name.endswith(".json") and source.random() < 0.8:
        return _damaged_json(source, data)
    return _damaged_bytes(source, data)


def _damaged_bytes(source: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 3, 8))):
        at = source.randrange(len(found) + 1)
        match source.randrange(6):
            case 0 | 1 if at < len(found):
                found[at] = source.randrange(256)
            case 2:
                found[at:at] = source.choice(ODD) * source.choice((1, 1, 2, 300))
            case 3:
                del found[at : at + source.choice((1, 2, 5, 40))]
            case 4 if source.random() < 0.2:
                del found[at:]
            case _:
                start = source.randrange(len(found) + 1)
                found[at:at] = found[start : start + source.choice((1, 5, 20, 200))]
    return bytes(found)


def _damaged_text(source: random.Random, text: str) -> str:
    words = text.split(" ")
    for _ in range(source.choice((1, 1, 2, 4))):
        at = source.randrange(len(words))
        match source.randrange(4):
            case 0:
                words[at] = source.choice(ODD_TEXT)
            case 1:
                words.insert(at, source.choice(ODD_TEXT) * source.choice((1, 1, 1, 50, 5000)))
            case 2:
                words[at] = words[source.randrange(len(words))]
            case _:
                words[at] = words[at].replace("\n", "\n" + source.choice(("  ", "    x = torch.relu(x)\n", "")), 1)
    return " ".join(words)


def _damaged_json(source: random.Random, data: bytes) -> bytes:
    try:
        document = json.loads(data)
    except ValueError:
        return _damaged_bytes(source, data)
    places = list(_places(document))
    for _ in range(source.choice((1, 1, 2, 4))):
        if places:
            put, _old = source.choice(places)
            _put, other = source.choice(places)
            put(source.choice(ODD_JSON) if source.random() < 0.6 else other)
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):
        return data


def _places(item: object) -> Iterator[tuple[Callable[[object], None], object]]:
    """How to put something at each place in a document, and what is there."""
    match item:
        case dict():
            for key, value in item.items():
                yield partial(item.__setitem__, key), value
                yield from _places(value)
        case list():
            for index, value in enumerate(item):
                yield partial(item.__setitem__, index), value
                yield from _places(value)
        case _:
            pass
