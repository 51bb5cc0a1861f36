"""What PyTorch and NNAPI mean differently, and the stable codes of reasons, of ``coverage_db/*.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.card_text import CardTable, read_toml
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.input_classes import InputClass, range_words

_HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Difference:
    """A thing that PyTorch and NNAPI mean differently, and how it is bridged.

    ``inputs`` are the elements for which results may differ all the same; where it ``spreads``, one such element may
    also change results that are not computed of it.
    """

    id: str
    title: str
    pytorch: str
    nnapi: str
    bridge: str
    since: int
    until: int | None
    source: str
    inputs: tuple[InputClass, ...] = ()
    spreads: bool = False

    @property
    def input_range(self) -> str:
        """The elements for which results may differ, in words; empty for none."""
        return range_words(self.inputs, spreads=self.spreads)


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code for why a node stays on the CPU, or why a part is not made."""

    code: str
    kind: str
    title: str
    explanation: str
    fix: str


def load_differences(path: Path = _HOME / "differences.toml") -> dict[str, Difference]:
    """Read the differences, by id."""
    found: dict[str, Difference] = {}
    for id_, raw in read_toml(path).items():
        table = CardTable(raw, f"{path.name}: {id_}")
        found[id_] = Difference(
            id=id_,
            title=table.text("title"),
            pytorch=table.text("pytorch"),
            nnapi=table.text("nnapi"),
            bridge=table.text("bridge"),
            since=table.optional_int("since") or 1,
            until=table.optional_int("until"),
            source=table.text("source"),
            inputs=_input_classes(table.texts("inputs"), table.where),
            spreads=table.take("spreads", False) is True,
        )
        table.close()
    return found


def _input_classes(names: tuple[str, ...], where: str) -> tuple[InputClass, ...]:
    known = {item.value: item for item in InputClass}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CardError(f"{where}: `inputs` are of {sorted(known)}, found {unknown}")
    return tuple(known[name] for name in names)


def load_reasons(path: Path = _HOME / "reasons.toml") -> dict[str, Reason]:
    """Read the reason codes, by code."""
    found: dict[str, Reason] = {}
    for code, raw in read_toml(path).items():
        table = CardTable(raw, f"{path.name}: {code}")
        found[code] = Reason(code, *(table.text(key) for key in ("kind", "title", "explanation", "fix")))
        table.close()
    return found
