"""Runs files in whatever PyTorch calls this, which may be years old, and imports nothing else.

    python old_torch.py RUNS.json

``RUNS.json`` is a list of runs. A line of JSON tells of each how it went, before the next begins.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

import torch

CALLS = 2
"""How often each file is called: the first call prepares NNAPI, later ones do not."""


class Told(TypedDict):
    """A tensor as numbers."""

    shape: list[int]
    values: list[float]


class Asked(TypedDict):
    """A run, of which this reads no more."""

    id: str
    file: str
    form: str
    path: str
    inputs: list[Told]
    outputs: list[Told]


Method = Callable[..., object]


def load(path: str, form: str) -> Method:
    """A function that calls a method of the file's module, by its name."""
    if form == "lite":
        from torch.jit.mobile import _load_for_lite_interpreter

        open_lite: Method = _load_for_lite_interpreter
        run_method: Method = getattr(open_lite(path), "run_method")  # noqa: B009  # its type tells nothing of it
        return run_method
    open_full: Method = torch.jit.load
    return partial(_call, open_full(path))


def _call(module: object, name: str, *arguments: object) -> object:
    method: Method = getattr(module, name)
    return method(*arguments)


def difference(found: Sequence[torch.Tensor], wanted: Sequence[Told]) -> tuple[float, bool]:
    """How far the outputs are from those wanted, as a share of their range, and whether each has several numbers."""
    worst, is_telling = 0.0, True
    if len(found) != len(wanted):
        raise RuntimeError(f"{len(found)} outputs, wanted {len(wanted)}")
    for ours, told in zip(found, wanted, strict=True):
        if list(ours.shape) != told["shape"]:
            raise RuntimeError(f"shape {list(ours.shape)}, wanted {told['shape']}")
        theirs = tensor_of(told)
        span = float(theirs.abs().max())
        worst = max(worst, float((ours.float() - theirs).abs().max()) / (span or 1.0))
        is_telling = is_telling and float(ours.float().std()) > 0
    return worst, is_telling


def tensor_of(told: Told) -> torch.Tensor:
    """The tensor that is told."""
    return torch.tensor(told["values"]).reshape(told["shape"])


def run(asked: Asked) -> dict[str, object]:
    """What is told of one run."""
    call = load(asked["file"], asked["form"])
    if asked["path"] == "cpu":
        call("use_cpu")
    inputs = [tensor_of(told) for told in asked["inputs"]]
    found: object = ()
    with torch.no_grad():
        for _ in range(CALLS):
            found = call("forward", *inputs)
    outputs = [found] if isinstance(found, torch.Tensor) else found
    if not isinstance(outputs, list | tuple):
        raise RuntimeError(f"an output is a {type(outputs).__name__}")
    worst, is_telling = difference(outputs, asked["outputs"])
    return {"difference": worst, "is_telling": is_telling}


def main() -> None:
    """Run all that the file tells."""
    torch.set_num_threads(1)
    if "qnnpack" in torch.backends.quantized.supported_engines:
        torch.backends.quantized.engine = "qnnpack"
    with open(sys.argv[1], encoding="utf-8") as file:
        asked: list[Asked] = json.load(file)
    for item in asked:
        try:
            told = run(item)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is told
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({**told, "id": item["id"]}), flush=True)


if __name__ == "__main__":
    main()
