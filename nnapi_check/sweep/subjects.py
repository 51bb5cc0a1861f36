"""Which models a sweep is about: files, folders, patterns, and functions that build modules."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.analyzer.errors import InputError

SUFFIXES = (".pt", ".ptl", ".pt2")
_BUILDER = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[\w*?!\[\]-]+)")
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model in a file."""

    path: Path

    @property
    def name(self) -> str:
        """What the model is called in the answers."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Builder:
    """A function of a user's module that builds one. It is called without arguments, in the model's own process."""

    module: str
    function: str

    @property
    def name(self) -> str:
        """What the model is called in the answers."""
        return f"{self.module}:{self.function}"


Subject = ModelFile | Builder


def subjects_of(texts: Sequence[str], list_functions: Callable[[str, str], Sequence[str]]) -> tuple[Subject, ...]:
    """The subjects that texts name, each once. ``list_functions`` gives the functions of a module by a pattern.

    Raises ``InputError`` for a text that names none.
    """
    found: dict[str, Subject] = {}
    for text in texts:
        named = list(_subjects(text, list_functions))
        if not named:
            raise InputError(
                f"{text} names no model: it is no file, no folder with {', '.join(SUFFIXES)}, no pattern of files, and "
                "no module:function."
            )
        found.update((subject.name, subject) for subject in named if subject.name not in found)
    return tuple(found.values())


def _subjects(text: str, list_functions: Callable[[str, str], Sequence[str]]) -> Iterator[Subject]:
    path = Path(text)
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        yield from (ModelFile(file) for file in sorted(files) if not _is_hidden(file.relative_to(path)))
        return
    if path.exists():
        yield ModelFile(path)
        return
    builder = _BUILDER.fullmatch(text)
    if builder is not None:
        module, name = builder["module"], builder["name"]
        names = list_functions(module, name) if _PATTERN.search(name) else [name]
        yield from (Builder(module, function) for function in names)
        return
    if _PATTERN.search(text):
        yield from (ModelFile(Path(file)) for file in sorted(glob.glob(text, recursive=True)) if Path(file).is_file())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
