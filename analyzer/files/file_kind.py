"""What kind of file a path is, by its first bytes and its members; nothing in it is run."""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive

_HOW_TO_EXPORT = (
    "load it in Python and save it as TorchScript: torch.jit.trace(model.eval(), example_inputs).save('model.pt')"
)
# Formats known by the bytes at an offset.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (4, b"TFL3", "a TensorFlow Lite model"),
    (4, b"PTMF", "a TorchScript model in the flatbuffer format"),
    (4, b"ET12", "an ExecuTorch program"),
    (0, b"\x89HDF", "an HDF5 file, such as a Keras model"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"\x1f\x8b", "a file compressed with gzip"),
    (0, b"7z\xbc\xaf", "a file compressed with 7-Zip"),
    (257, b"ustar", "a tar archive, as very old versions of torch.save wrote"),
)
# The number that torch.save wrote at the start of a file before it wrote zip archives.
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class FileKind(Enum):
    """The kinds of file that can be opened."""

    TORCHSCRIPT = auto()
    EXPORTED_PROGRAM = auto()
    PICKLED_MODULE = auto()


@dataclass(frozen=True, slots=True)
class _Pickled:
    """The classes that a pickle names."""

    names: tuple[str, ...]

    @property
    def module_class(self) -> str | None:
        """The class of a pickled module, if the pickle begins with one."""
        ignored = ("torch.", "collections.", "numpy", "builtins.", "argparse.", "__builtin__.", "copyreg.", "_codecs.")
        own = [name for name in self.names if not name.startswith(ignored) or name.startswith("torch.nn.modules.")]
        return own[0] if own else None


def kind_of(path: Path) -> FileKind:
    """The kind of the file, or an `InputError` that says what it is and what to do."""
    head = _head(path)
    if head.startswith(b"PK"):
        return _kind_of_zip(path)
    if not head:
        raise InputError(f"{path} is empty; pass a model saved by torch.jit.save or torch.export.save.")
    if head.startswith((_LEGACY, b"\x80")):
        return FileKind.PICKLED_MODULE
    for offset, magic, what in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            raise InputError(f"{path} is {what}, not TorchScript; {_advice(what)}.")
    if _is_onnx(path, head):
        raise InputError(
            f"{path} is an ONNX model, not TorchScript; save the PyTorch model it was made from: "
            "torch.jit.trace(model.eval(), example_inputs).save('model.pt')."
        )
    if _is_safetensors(head):
        raise InputError(f"{path} holds tensors only (safetensors), not a model; {_HOW_TO_EXPORT}.")
    what = "a text file" if _is_text(head) else "no file of a kind known here"
    raise InputError(f"{path} is {what}, not a model; pass one saved by torch.jit.save or torch.export.save.")


def _head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; pass the model's file, such as {path / 'model.pt'}.")
        with path.open("rb") as file:
            return file.read(4096)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; pass the path of a model saved by torch.jit.save.") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read (permission denied); change its permissions.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; pass a readable file.") from error


def _advice(what: str) -> str:
    if "flatbuffer" in what:
        return "save it without _use_flatbuffer"
    if "compressed" in what:
        return "unpack it first"
    return "save the PyTorch model it was made from as TorchScript"


def _kind_of_zip(path: Path) -> FileKind:
    try:
        with Archive(path) as archive:
            kind = _kind_of_members(path, list(archive.members))
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path} begins like a zip archive but does not end like one ({error}); "
            "it was cut off or damaged, so copy or save it again."
        ) from error
    if kind is FileKind.PICKLED_MODULE and any(name.startswith("__torch__.") for name in _names_in_pickle(path)):
        raise InputError(
            f"{path} has the weights of a TorchScript module, and none of its code, so saving it must have failed "
            "on the way; save it again and mind what torch.jit.save says."
        )
    return kind


def _kind_of_members(path: Path, members: list[str]) -> FileKind:
    names = [name.partition("/")[2] for name in members]
    has_code = any(name.startswith("code/") for name in names)
    if has_code and "data.pkl" in names:
        return FileKind.TORCHSCRIPT
    if any(_is_exported(name) for name in (*names, *members)):
        return FileKind.EXPORTED_PROGRAM
    if "bytecode.pkl" in names:
        raise InputError(
            f"{path} is a model for the lite interpreter with bytecode only, which cannot be analyzed; "
            "save it with module._save_for_lite_interpreter, which keeps the code, or pass the .pt it was made from."
        )
    if "data.pkl" in names:
        return FileKind.PICKLED_MODULE
    raise InputError(
        f"{path} is a zip archive without a model in it; pass a model saved by torch.jit.save or torch.export.save."
    )


def _is_exported(name: str) -> bool:
    return name == "serialized_exported_program.json" or (name.endswith(".json") and "models/" in f"/{name}")


def refuse_pickle(path: Path) -> InputError:
    """The error for a file that can be opened only by running what its pickle says."""
    names = _Pickled(tuple(_names_in_pickle(path)))
    if names.module_class is not None:
        return InputError(
            f"{path} is a pickled module ({names.module_class}), which runs code when it is opened; "
            f"{_HOW_TO_EXPORT}, or allow it with --trust if you trust its maker."
        )
    return InputError(
        f"{path} holds tensors but no model (a state dict or checkpoint saved by torch.save); "
        "build the model in Python, load the tensors into it with load_state_dict and save it as TorchScript: "
        "torch.jit.trace(model.eval(), example_inputs).save('model.pt')."
    )


def _names_in_pickle(path: Path) -> list[str]:
    """The classes and functions a pickle names, in order, found without running it."""
    try:
        if zipfile.is_zipfile(path):
            with Archive(path) as archive:
                return _names_in(
                    next(archive.read(i) for name, i in archive.members.items() if name.endswith("/data.pkl"))
                )
        data = path.read_bytes()
        # A legacy file is a row of pickles; the fourth is the object.
        return [name for part in _pickles_in(data) for name in _names_in(part)]
    except (OSError, ValueError, zipfile.BadZipFile, StopIteration):
        return []


def _pickles_in(data: bytes) -> list[bytes]:
    parts, start = [], 0
    for _ in range(4):
        end = start
        try:
            for opcode, _argument, position in pickletools.genops(data[start:]):
                if opcode.name == "STOP" and position is not None:
                    end = start + position + 1
        except ValueError:
            break
        parts.append(data[start:end])
        start = end
    return parts


def _names_in(data: bytes) -> list[str]:
    names: list[str] = []
    texts: list[str] = []
    for opcode, argument, _position in pickletools.genops(data):
        if opcode.name == "GLOBAL" and isinstance(argument, str):
            names.append(argument.replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            names.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return names


def _is_onnx(path: Path, head: bytes) -> bool:
    # The first field of an ONNX model is its version as a small number; then come texts such as the producer's name.
    return path.suffix == ".onnx" or (head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in (b"\x12", b"\x3a"))


def _is_safetensors(head: bytes) -> bool:
    return head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 27


def _is_text(head: bytes) -> bool:
    try:
        head[:2048].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head[:2048]) - 4
    return b"\x00" not in head
