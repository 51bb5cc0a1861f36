"""Random signatures of ``forward``: whatever is checked is converted, and computes the same on both ways."""

from __future__ import annotations

import copy
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional, cast

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnapi_check
from nnapi_check.analyzer.torchscript import load
from nnapi_check.lowering.packaging.script_modules import add_attribute, named_type, new_module, type_of, wrapped

SIZE = 96


@dataclass(frozen=True)
class Kind:
    """A type of TorchScript, a value of it, lines that read what is in it, and values that take other ways.

    ``named`` are the named tuples in it with the types of their fields, inner ones first.
    """

    annotation: str
    value: object
    reads: tuple[str, ...]
    others: tuple[object, ...]
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def tensor(seed: int) -> torch.Tensor:
    return torch.rand(4, SIZE, generator=torch.Generator().manual_seed(seed))


def leaf() -> st.SearchStrategy[Kind]:
    return st.one_of(
        st.integers(0, 9).map(lambda seed: Kind("Tensor", tensor(seed), ("total = total + {}",), ())),
        st.integers(-2, 3).map(lambda n: Kind("int", n, ("total = total * ({} + 5)",), (n + 1,))),
        st.sampled_from([0.5, -1.25]).map(lambda x: Kind("float", x, ("total = total + {}",), (x + 1,))),
        st.booleans().map(lambda flag: Kind("bool", flag, ("if {}:\n        total = total + 1",), (not flag,))),
        st.sampled_from(["near", "it's"]).map(
            lambda text: Kind("str", text, ('if {} == "near":\n        total = total * 2',), ("far",))
        ),
    )


def _list(inner: Kind, count: int) -> Kind:
    value = [copy.copy(inner.value) for _ in range(count)]
    reads = (*(line.replace("{}", "{}[0]") for line in inner.reads), "total = total + len({})")
    return Kind(f"List[{inner.annotation}]", value, reads, ([*value, inner.value],), inner.named)


def _tuple(parts: list[Kind]) -> Kind:
    reads = [line.replace("{}", f"{{}}[{place}]") for place, part in enumerate(parts) for line in part.reads]
    values = tuple(part.value for part in parts)
    text = f"Tuple[{', '.join(part.annotation for part in parts)}]"
    return Kind(text, values, tuple(reads), tuple(_varied(parts)), _all_named(parts))


def _named(parts: list[Kind]) -> Kind:
    fields = tuple(part.annotation for part in parts)
    name = f"Fields{_number(fields)}"
    reads = [line.replace("{}", f"{{}}.f{place}") for place, part in enumerate(parts) for line in part.reads]
    values = tuple(part.value for part in parts)
    return Kind(name, values, tuple(reads), tuple(_varied(parts)), {**_all_named(parts), name: fields})


def _number(texts: tuple[str, ...]) -> int:
    """The same number for the same texts, in every process."""
    return zlib.crc32("|".join(texts).encode())


def _table(inner: Kind, keys: list[str] | list[int]) -> Kind:
    key = keys[0]
    reads = [line.replace("{}", f"{{}}[{key!r}]") for line in inner.reads]
    value = {name: copy.copy(inner.value) for name in keys}
    other = {**value, ("other" if isinstance(key, str) else 99): inner.value}
    kind = type(key).__name__
    return Kind(f"Dict[{kind}, {inner.annotation}]", value, tuple(reads), (other,), inner.named)


def _optional(inner: Kind, is_given: bool) -> Kind:
    name = f"o{_number((inner.annotation,))}"
    body = [line.replace("{}", name).replace("\n", "\n    ") for line in inner.reads]
    lines = (f"{name} = {{}}\n    if {name} is not None:\n        " + "\n        ".join(body),)
    value, other = (inner.value, None) if is_given else (None, inner.value)
    return Kind(f"Optional[{inner.annotation}]", value, lines, (other,), inner.named)


def _varied(parts: list[Kind]) -> Iterator[object]:
    for place, part in enumerate(parts):
        for other in part.others:
            yield tuple(other if index == place else item.value for index, item in enumerate(parts))


def _all_named(parts: list[Kind]) -> dict[str, tuple[str, ...]]:
    return {name: fields for part in parts for name, fields in part.named.items()}


def larger(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    parts = st.lists(inner, min_size=1, max_size=3)
    keys = st.sampled_from([["a"], ["a", "b c"], ["größe", "a"], [1, 2], [7]])
    return st.one_of(
        st.builds(_list, inner, st.integers(1, 3)),
        parts.map(_tuple),
        parts.map(_named),
        st.builds(_table, inner, keys),
        st.builds(_optional, inner.filter(lambda kind: not kind.annotation.startswith("Optional")), st.booleans()),
    )


KINDS = st.recursive(leaf(), larger, max_leaves=6)


def module_of(kinds: list[Kind]) -> torch.jit.ScriptModule:
    """A model that reads every part of its arguments."""
    module = new_module("Drawn")
    add_attribute(module, "weight", named_type("Tensor"), torch.rand(SIZE, SIZE) - 0.5)
    add_attribute(module, "training", named_type("bool"), False)
    signature = ", ".join(f"a{place}: {kind.annotation}" for place, kind in enumerate(kinds))
    lines = [line.replace("{}", f"a{place}") for place, kind in enumerate(kinds) for line in kind.reads]
    body = "\n    ".join(["total = torch.relu(x @ self.weight)", *lines, "return total @ self.weight"])
    source = f"def forward(self, x: Tensor, {signature}) -> Tensor:\n    {body}\n"
    names = {name: _class_of(name, fields) for kind in kinds for name, fields in kind.named.items()}
    concrete = cast("Callable[[object], object]", torch._C.ConcreteModuleType.from_jit_type)
    cast("object", module)._define(  # type: ignore[attr-defined]  # PyTorch's stubs leave it out
        concrete(type_of(module)), source, {"torch": torch, **names}.get
    )
    return wrapped(module)


_CLASSES: dict[str, object] = {}


def _class_of(name: str, fields: tuple[str, ...]) -> object:
    """The named tuple of this name, which PyTorch takes once only."""
    if name not in _CLASSES:
        scope = {"List": list, "Tuple": tuple, "Dict": dict, "Optional": Optional, "Tensor": torch.Tensor, **_CLASSES}
        kinds = [(f"f{place}", eval(text, scope)) for place, text in enumerate(fields)]  # noqa: S307  # our own texts
        _CLASSES[name] = NamedTuple(name, kinds)
    return _CLASSES[name]


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(st.lists(KINDS, min_size=1, max_size=3))
def test_whatever_is_checked_is_converted_and_computes_the_same(kinds: list[Kind]) -> None:
    module = module_of(kinds)
    arguments = [tensor(11), *(kind.value for kind in kinds)]
    with tempfile.TemporaryDirectory() as folder:
        path, made = Path(folder) / "model.pt", Path(folder) / "made.pt"
        torch.jit.save(module, str(path))

        told = nnapi_check.check(path, arguments, feature_level=3)
        report = nnapi_check.convert(path, made, arguments, feature_level=3, layers=True)

        if not told.gate.is_passed:
            assert report.verification is None
            return
        assert report.verification is not None
        assert report.verification.is_within_tolerance
        original, package = load(str(path)), load(str(made))
        cast("Callable[[], None]", package._c._get_method("use_cpu"))()
        _compare(package, original, arguments)
        cast("Callable[[], None]", package._c._get_method("use_nnapi"))()
        for place, kind in enumerate(kinds, start=1):
            for other in kind.others:
                _compare(package, original, [*arguments[:place], other, *arguments[place + 1 :]])


def _compare(package: torch.nn.Module, original: torch.nn.Module, arguments: list[object]) -> None:
    torch.testing.assert_close(package(*arguments), original(*arguments), rtol=1e-4, atol=1e-3)
