"""What to change first, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nnapi_check.reports.changing.edit_text import code_lines, kept_words
from nnapi_check.reports.naming import NOWHERE, line_words, modules_words, shown_path
from nnapi_check.reports.terminal import Paint, count_words, heading, wrapped
from nnapi_check.reports.views import CauseView, FirstChangesView, RemedyView

LINES_SHOWN = 3
SUPPOSED = "supposed"
LEVEL = "level"
LEAST_SHOWN = 0.05


def change_lines(found: FirstChangesView, paint: Paint) -> Iterator[str]:
    """The lines of the section."""
    yield from heading("What to change first", paint)
    for number, change in enumerate(found.causes, 1):
        yield from wrapped(f"{ops_words(change)}, {where_words(change)}", f"{number}. ")
        yield from wrapped(change.because, "   why:   ")
        for remedy in change.remedies:
            yield from wrapped(remedy.fix, "   fix:   ")
            for edit in remedy.edits:
                yield from code_lines(edit.before, edit.after, " " * 10, paint)
                yield from wrapped(kept_words(edit), "   keeps: ")
            yield from wrapped(gain_words(remedy, found), "   gains: ")
        if not change.remedies:
            yield from wrapped(change.alternatives[0], "   fix:   ")
            yield from wrapped("nothing by itself", "   gains: ")
    if found.together is not None:
        yield from wrapped(f"{together_words(found)}: {gain_words(found.together, found)}", "")


def together_words(found: FirstChangesView) -> str:
    """What the sum of all changes is called."""
    return "Both together" if len(found.causes) == 2 else f"All {len(found.causes)} together"


def ops_words(change: CauseView) -> str:
    """The ops of a change, with how many there are of each."""
    counts = Counter(short_op(place.op) for place in change.places)
    return ", ".join(f"{count} \N{MULTIPLICATION SIGN} {op}" for op, count in counts.most_common(LINES_SHOWN)) + (
        f" and {count_words(len(counts) - LINES_SHOWN, 'other')}" if len(counts) > LINES_SHOWN else ""
    )


def short_op(op: str) -> str:
    """An op without PyTorch's own namespace and the default overload: ``matmul``, ``add.Tensor``."""
    return op.removeprefix("aten.").removeprefix("nnapi_check.").removesuffix(".default")


def where_words(change: CauseView) -> str:
    """The lines of source, those where most ops stand first: ``models/net.py:12, :15``.

    Where these are PyTorch's own, as of ``nn.Sequential``, the modules follow, which alone are the user's.
    """
    lines = Counter((place.file, place.line) for place in change.places if place.file is not None)
    told = list(lines)
    if not told:
        return NOWHERE
    told.sort(key=lambda line: -lines[line])
    shown: dict[str | None, list[int | None]] = {}
    for file, line in told[:LINES_SHOWN]:
        shown.setdefault(file, []).append(line)
    words = ", ".join(
        line_words(file, first) + "".join(f", :{line}" for line in rest) for file, (first, *rest) in shown.items()
    )
    hidden = len(told) - LINES_SHOWN
    if hidden > 0:
        words = f"{words} and {count_words(hidden, 'other line')}"
    modules = tuple(dict.fromkeys(place.module for place in change.places if place.module))
    is_pytorch_s = all(shown_path(file).startswith("torch/") for file, _ in told if file is not None)
    return f"{words} in {modules_words(modules)}" if is_pytorch_s and modules else words


def gain_words(remedy: RemedyView, found: FirstChangesView) -> str:
    """What a change gains: ``+5.7 points, 5 parts → 1``; at most, where ops were supposed to run on NNAPI."""
    if remedy.gain < LEAST_SHOWN:
        return "nothing by itself"
    is_supposed = remedy.basis == SUPPOSED
    words = [f"{'at most ' if is_supposed else ''}+{remedy.gain:.1f} points"]
    if remedy.parts != found.parts:
        words.append(f"{count_words(found.parts, 'part')} → {remedy.parts}")
    if remedy.work is not None and found.work is not None and f"{remedy.work:.1%}" != f"{found.work:.1%}":
        words.append(f"{found.work:.1%} → {remedy.work:.1%} of the work")
    said = ", ".join(words)
    if remedy.basis == LEVEL:
        return f"{said}, with all else that level {remedy.level} brings"
    return f"{said}, if what replaces these ops ran on NNAPI whole" if is_supposed else said
