"""Hold that no call which PyTorch itself refuses is said to run on NNAPI.

    python benchmarks/refused_calls.py [--ops WORD ...] [--changed 12] [--limit 6] [--seed 0] [--jobs 1]

The calls are those that PyTorch's own tests hold to be errors (OpInfo's error inputs), and its valid samples with one
argument changed: a number or a list of numbers, of another length or out of range, or a tensor of another shape, rank
or element type. Each is written as TorchScript, once with every tensor as an input and once with all but the first as
constants, for tracing would run it. Kept is what raises in PyTorch whatever the elements are. A check must refuse each
at levels 1, 3 and 8, or leave one of the ops that it becomes to PyTorch. Exit code 1 where all have ways to NNAPI.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import cast

import torch
from torch.utils import _pytree as pytree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.carrying import PACKAGES, Tensors, known
from benchmarks.opinfo_calls import OpInfo, Sample, infos
from benchmarks.processes import in_processes
from benchmarks.promises import words_of
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.analyzer.torchscript import quiet

LEVELS = (1, 3, 8)

DEADLY = (
    "segment_reduce",
    "ctc_loss",
    "embedding_bag",
    "ldl_solve",
    "to_sparse",
    "sparse",
    "multi_head",
    "jiterator",
    "native_batch_norm",
    "batch_norm_with_update",
    "flash_attention_for_cpu",
)
"""Ops whose kernels end the process, or ask for more than tensors, where their arguments do not fit."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to try of each op: how many changed calls, of how many samples."""

    changed: int = 12
    limit: int = 6
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that PyTorch refuses. ``told`` is why, ``fault`` what is wrong with the check's answer, if anything is."""

    op: str
    words: str
    told: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that may be an error: ``kind`` says where it is from."""

    kind: str
    leaves: tuple[object, ...]
    tree: pytree.TreeSpec


def refused_calls(info: OpInfo, options: Options) -> Iterator[Refused]:
    """Every call of an op that PyTorch refuses, with what is wrong with the check's answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in (*_stated(info), *_changed(info, options)):
            count = sum(isinstance(leaf, torch.Tensor) for item in call.leaves for leaf in _flat(item))
            for given in dict.fromkeys((count, 1)):
                made = _written(info, call, given)
                if made is None:
                    continue
                module, inputs = made
                told = _error(module, inputs)
                if told:
                    words = f"{call.kind}: {', '.join(_word(leaf) for leaf in call.leaves)} ({given} inputs)"
                    yield Refused(info.formatted_name, words, told, _fault(module, inputs))


def _stated(info: OpInfo) -> Iterator[_Call]:
    """What PyTorch's tests hold to be errors."""
    error_inputs = getattr(info, "error_inputs_func", None)
    if error_inputs is None:
        return
    try:
        with quiet():
            found = list(info.error_inputs("cpu"))  # type: ignore[attr-defined]  # only some have them
    except Exception:  # noqa: BLE001  # some need another device
        return
    for item in found:
        yield _call("stated", item.sample_input)


def _changed(info: OpInfo, options: Options) -> Iterator[_Call]:
    """Valid samples with one argument changed."""
    dtypes = info.supported_dtypes("cpu")
    dtype = next((kind for kind in (torch.float32, torch.int64, torch.bool) if kind in dtypes), None)
    if dtype is None:
        return
    torch.manual_seed(options.seed)
    try:
        with quiet():
            samples = list(info.sample_inputs("cpu", dtype))
    except Exception:  # noqa: BLE001  # some need another device
        return
    chosen = random.Random(f"{options.seed} {info.formatted_name}")
    for sample in chosen.sample(samples, min(options.limit, len(samples))):
        call = _call("changed", sample)
        found = [
            _Call(call.kind, (*call.leaves[:place], other, *call.leaves[place + 1 :]), call.tree)
            for place, leaf in enumerate(call.leaves)
            for other in _others(leaf)
        ]
        yield from chosen.sample(found, min(options.changed, len(found)))


def _call(kind: str, sample: Sample) -> _Call:
    parts = (sample.input, tuple(sample.args), dict(sample.kwargs))
    leaves, tree = pytree.tree_flatten(parts, is_leaf=_is_numbers)
    return _Call(kind, tuple(leaf.detach() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves), tree)


def _is_numbers(item: object) -> bool:
    return isinstance(item, (list, tuple)) and bool(item) and all(type(part) is int for part in item)


def _others(leaf: object) -> Iterator[object]:
    """What else may stand in a call's place: mostly what does not fit."""
    if isinstance(leaf, torch.Tensor):
        for shape in dict.fromkeys(_shapes(tuple(leaf.shape))):
            yield torch.ones(shape, dtype=leaf.dtype)
        for dtype in (torch.int32, torch.float16, torch.bool):
            if dtype != leaf.dtype:
                yield torch.ones(leaf.shape, dtype=dtype)
    elif type(leaf) is int:
        yield from dict.fromkeys((-1, 0, leaf + 1, -leaf - 1, leaf + 7, -leaf - 7))
    elif _is_numbers(leaf):
        numbers = list(cast("Sequence[int]", leaf))
        yield [*numbers, numbers[-1]]
        yield [*numbers, numbers[-1] + 1, 1]
        yield numbers[1:]
        for place, number in enumerate(numbers):
            for other in (0, -1, number + 7, -number - 7, numbers[0]):
                yield [*numbers[:place], other, *numbers[place + 1 :]]


def _shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield from (shape[1:], (2, *shape), (*shape, 2), shape[::-1], (*shape[:-2], 2, *shape[-2:]))
    for axis, size in enumerate(shape):
        for other in (size + 1, max(size - 1, 0), 0):
            yield (*shape[:axis], other, *shape[axis + 1 :])


def _written(info: OpInfo, call: _Call, count: int) -> tuple[torch.jit.ScriptModule, Tensors] | None:
    """The call as a scripted module of so many inputs; None where TorchScript has no such call."""
    holder = torch.nn.Module()
    inputs: list[torch.Tensor] = []
    made = 0

    def word(leaf: object) -> str:
        nonlocal made
        match leaf:
            case torch.Tensor():
                if leaf.layout is not torch.strided or leaf.device.type != "cpu":
                    raise _NotWrittenError
                name, made = f"t{made}", made + 1
                if len(inputs) < count:
                    inputs.append(leaf.clone(memory_format=torch.contiguous_format))
                    return name
                holder.register_buffer(name, leaf.clone(memory_format=torch.contiguous_format))
                return f"self.{name}"
            case bool() | int() | str() | None:
                return repr(leaf)
            case torch.dtype() | torch.layout() | torch.memory_format():
                return str(leaf)
            case float():
                return repr(leaf) if isfinite(leaf) else f'float("{leaf}")'
            case list() | tuple():
                parts = [word(part) for part in leaf]
                return f"[{', '.join(parts)}]"
            case _:
                raise _NotWrittenError

    try:
        first, args, kwargs = pytree.tree_unflatten(list(call.leaves), call.tree)
        words = [word(first), *map(word, args), *(f"{name}={word(item)}" for name, item in kwargs.items())]
    except _NotWrittenError:
        return None
    if not inputs:
        return None
    op = info.op  # the name that the text below speaks of
    names = ", ".join(f"t{place}" for place in range(len(inputs)))
    try:
        with quiet():
            module: torch.jit.ScriptModule = torch.jit._recursive.create_script_module(  # type: ignore[no-untyped-call]  # it has no types
                holder.eval(), lambda _module: [], share_types=False
            )
            module.define(f"def forward(self, {names}):\n    return op({', '.join(words)})\n")
    except Exception:  # noqa: BLE001  # what cannot be written is no model
        return None
    del op
    return module, tuple(inputs)


class _NotWrittenError(Exception):
    """TorchScript has no word for an argument."""


def _error(module: torch.jit.ScriptModule, inputs: Tensors) -> str:
    """Why PyTorch refuses the call whatever the elements are, of constants as well; nothing where it takes it."""
    constants = [(buffer, buffer.clone()) for buffer in module.buffers()]
    told = ""
    for fill in (None, 1, 0):
        given = tuple(tensor.clone() for tensor in inputs)
        if fill is not None:
            for tensor in (*given, *(buffer for buffer, _ in constants)):
                tensor.fill_(fill)
        try:
            with torch.no_grad():
                module(*given)
        except Exception as error:  # noqa: BLE001  # PyTorch raises what it likes
            told = told or str(error).strip().splitlines()[-1]
        else:
            told = ""
            break
    for buffer, elements in constants:
        # What is written to may have got another shape.
        buffer.resize_(elements.shape).copy_(elements)
    return told


def _fault(module: torch.jit.ScriptModule, inputs: Tensors) -> str:
    try:
        captured = capture(module, inputs, weights=True)
        found = survey(captured.graph, known(), PACKAGES.target, gain=0)
        plans = [found.at(level) for level in LEVELS]
    except InputError:
        return ""
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what is counted here
        return f"internal error at check: {words_of(error)}"
    for plan in plans:
        if any(plan.verdicts[node.id].way is None for node in captured.graph.nodes() if node.id in plan.verdicts):
            # Of several ops, the one that is refused is left to PyTorch.
            continue
        for part in plan.partition.parts:
            ways = (plan.verdicts[node] for node in part.nodes)
            said = " ".join(dict.fromkeys(f"{way.op}/{way.way.name}" for way in ways if way.way is not None))
            return f"yes at level {plan.level}: {said}"
    return ""


def try_all(ops: Sequence[OpInfo], options: Options, jobs: int) -> Iterator[Refused]:
    """Try ops, each in a process of its own that is forked from this one."""
    known()

    def rows(info: OpInfo) -> Iterator[str]:
        return (json.dumps([it.op, it.words, it.told, it.fault]) for it in refused_calls(info, options))

    for ended in in_processes(ops, rows, jobs):
        for line in ended.lines:
            yield Refused(*json.loads(line))
        if ended.is_late or ended.death:
            yield Refused(ended.item.formatted_name, "", ended.death or "late", "process died or was late")


def _word(leaf: object) -> str:
    if isinstance(leaf, torch.Tensor):
        return f"{str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}"
    return repr(leaf)


def _flat(item: object) -> Iterator[object]:
    if isinstance(item, (list, tuple)):
        for part in item:
            yield from _flat(part)
    else:
        yield item


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the ops, and tell what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", nargs="*", default=[], help="only ops whose name holds one of these words")
    parser.add_argument("--changed", type=int, default=12, help="changed calls of a sample")
    parser.add_argument("--limit", type=int, default=6, help="samples of an op")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(arguments)
    ops = [
        info
        for info in infos()
        if (not asked.ops or any(word in info.formatted_name for word in asked.ops))
        and not any(word in info.formatted_name for word in DEADLY)
    ]
    calls, faults, tried = Counter[str](), Counter[str](), set()
    for found in try_all(ops, Options(asked.changed, asked.limit, asked.seed), asked.jobs):
        kind = found.words.split(":")[0] or "process"
        calls[kind] += bool(found.words)
        tried.add(found.op)
        if found.fault:
            faults[kind] += 1
            print(f"{found.op}: {found.fault}\n    {found.words[:200]}\n    PyTorch: {found.told[:200]}", flush=True)
    for kind in sorted({*calls, *faults}):
        print(f"{kind}: {calls[kind]} calls that PyTorch refuses, {faults[kind]} faults")
    print(f"{len(ops)} ops tried, {len(tried)} with such calls, seed {asked.seed}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
