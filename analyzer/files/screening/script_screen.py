"""A TorchScript archive, looked through before PyTorch loads it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator

from nnapi_check.analyzer.files.archive import Archive, Lightened
from nnapi_check.analyzer.files.screening.known_ops import is_known
from nnapi_check.analyzer.files.screening.pickle_reading import Made, PickleError, Sequence, Value
from nnapi_check.analyzer.files.screening.positions import check_positions
from nnapi_check.analyzer.files.screening.script_loading import check_code
from nnapi_check.analyzer.files.screening.script_pickles import read_script_pickle
from nnapi_check.analyzer.files.screening.suspect import SuspectError

_OLD_FORMAT = ("model.json",)
_POSITIONS = ".debug_pkl"
_OP_NAME = re.compile(r"[A-Za-z_]\w*::\w+")


def screen_script(archive: Archive, light: Lightened | None, code: Iterable[str]) -> None:
    """Raise `SuspectError` unless loading an archive, or its copy without elements, executes nothing of its maker's.

    ``code`` is what `code_of` gives.
    """
    names = {name.removeprefix(archive.prefix).lower() for name in archive.members}
    for name in _OLD_FORMAT:
        if name in names:
            raise SuspectError(f"a model in a format of before PyTorch 1.2 ({name})", "one saved by a later version")
    check_code(code)
    for name in ("data", "constants"):
        text = (
            light.pickles.get(f"{archive.prefix}{name}.pkl") if light is not None else _member(archive, f"{name}.pkl")
        )
        if text is not None:
            read_script_pickle(f"{name}.pkl", text, _sizes(archive, f"{name}/"), has_meta=light is not None)


def screen_bytecode(archive: Archive) -> None:
    """Raise `SuspectError` unless the bytecode of a lite archive calls only ops that compute."""
    text = _member(archive, "bytecode.pkl")
    if text is None:
        return
    # A bytecode shares the tensors of the constants, where it does not bring its own.
    sizes = {**_sizes(archive, "constants/"), **_sizes(archive, "bytecode/")}
    found = read_script_pickle("bytecode.pkl", text, sizes)
    for name in _operators(found.root):
        space, _, op = name.partition("::")
        if not is_known(space, op):
            raise SuspectError(f"bytecode that calls {name}", "ops that only compute")


def _operators(value: Value) -> Iterator[str]:
    """The names of ops in bytecode: all that are written like one."""
    todo = [value]
    while todo:
        match todo.pop():
            case Sequence() as found:
                todo.extend(found.items)
            case Made() as made:
                todo.append(made.given)
            case str(text) if _OP_NAME.fullmatch(text):
                yield text
            case _:
                pass


def _member(archive: Archive, name: str) -> bytes | None:
    member = archive.members.get(archive.prefix + name)
    return archive.read(member) if member is not None else None


def _sizes(archive: Archive, folder: str) -> dict[str, int]:
    """The sizes of the storages in a folder of the archive, by key."""
    prefix = archive.prefix + folder
    return {
        name.removeprefix(prefix): member.size for name, member in archive.members.items() if name.startswith(prefix)
    }


def code_of(archive: Archive) -> Iterator[str]:
    """The texts of the files of code; those that say where each line comes from are looked at on the way."""
    # PyTorch's reader finds members without regard to the case of ASCII letters.
    folder = f"{archive.prefix}code/".lower()
    for name, member in archive.members.items():
        if not name.lower().startswith(folder):
            continue
        data = archive.read(member)
        if name.lower().endswith(_POSITIONS):
            try:
                check_positions(data)
            except PickleError as error:
                raise zipfile.BadZipFile(f"{name} is damaged") from error
            continue
        try:
            yield data.decode()
        except UnicodeDecodeError as error:
            raise zipfile.BadZipFile(f"{name} is damaged") from error
