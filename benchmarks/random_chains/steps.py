"""A chain of ops: inputs, steps written as PyTorch writes them, and outputs. It is source code, and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's own documentation calls it
from torch.jit._recursive import create_script_module

from nnapi_check.analyzer.torchscript import quiet

Written = int | float | bool | str | None | tuple["Written", ...]


class Rounding(Enum):
    """How a step rounds: not at all, as a share of each element, or as a share of the whole tensor's range.

    A sum rounds as a share of the range of what it adds: it may be far less than that itself. A step with ties is
    exact, but PyTorch does not say which of equal elements it takes.
    """

    NONE = "none"
    ELEMENT = "element"
    RANGE = "range"
    SUM = "sum"
    TIES = "ties"


class Form(Enum):
    """How the chain becomes TorchScript."""

    TRACED = "traced"
    SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class Data:
    """A tensor of uniform random numbers between ``low`` and ``high``; whole numbers leave ``high`` out."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    low: float = -2.0
    high: float = 2.0

    def draw(self, seed: int) -> torch.Tensor:
        """The numbers, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        if self.dtype is torch.bool:
            return torch.randint(0, 2, self.shape, generator=generator).bool()
        if not self.dtype.is_floating_point:
            return torch.randint(int(self.low), int(self.high), self.shape, generator=generator, dtype=self.dtype)
        return torch.rand(self.shape, generator=generator, dtype=self.dtype) * (self.high - self.low) + self.low

    @property
    def text(self) -> str:
        """Source code that makes such a tensor."""
        shape = list(self.shape)
        if self.dtype is torch.bool:
            return f"torch.rand({shape}) < 0.5"
        if not self.dtype.is_floating_point:
            return f"torch.randint({int(self.low)}, {int(self.high)}, {shape}, dtype={self.dtype})"
        return f"torch.rand({shape}) * {self.high - self.low:g} + {self.low:g}"


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the chain, and the value that it is."""

    value: int
    data: Data


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the chain: ``template`` with operands, arguments and parameters in it makes ``results``.

    In a template, ``{0}`` is the first operand, ``{operands}`` all of them, ``{p0}`` the first parameter, and ``{dim}``
    the argument called so; ``{arguments}`` are all arguments, by name. A template of several lines names its result
    itself, as ``{made}``.
    """

    template: str
    operands: tuple[int, ...]
    arguments: tuple[tuple[str, Written], ...] = ()
    parameters: tuple[Data, ...] = ()
    results: tuple[int, ...] = ()
    rounding: Rounding = Rounding.NONE

    @property
    def name(self) -> str:
        """What the step calls, for counting."""
        return self.template.partition("(")[0].partition("{arg")[0] if "(" in self.template else self.template

    def parameter_name(self, index: int) -> str:
        """What the module calls a parameter of the step."""
        return f"p{self.results[0]}_{index}"

    def lines(self) -> list[str]:
        """The step as source code."""
        names = [f"v{operand}" for operand in self.operands]
        arguments = {name: written(value) for name, value in self.arguments}
        right = self.template.format(
            *names,
            operands=", ".join(names),
            arguments=", ".join(f"{name}={value}" for name, value in arguments.items()),
            made=f"v{self.results[0]}",
            **{f"p{index}": f"self.{self.parameter_name(index)}" for index in range(len(self.parameters))},
            **arguments,
        ).replace(", )", ")")
        if "{made}" in self.template:
            return right.splitlines()
        return [f"{', '.join(f'v{result}' for result in self.results)} = {right}"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A whole graph. ``seed`` gives the numbers of its parameters, and with ``draw`` those of its inputs."""

    seed: int
    form: Form
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    draw: int = 0

    @property
    def is_decided_by_elements(self) -> bool:
        """Whether a condition in it depends on the numbers of the inputs."""
        return any(word in step.template for step in self.steps for word in ("bool(", "int("))

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The numbers of the inputs."""
        return tuple(item.data.draw(self.seed * 1000 + 100 * self.draw + item.value) for item in self.inputs)

    def parameters(self) -> dict[str, torch.Tensor]:
        """The numbers of the parameters, by name."""
        return {
            step.parameter_name(index): data.draw(self.seed * 1000 + 500 + 7 * step.results[0] + index)
            for step in self.steps
            for index, data in enumerate(step.parameters)
        }


def written(value: Written) -> str:
    """An argument as source code that Python and TorchScript both read."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    return repr(value)


def forward_source(chain: Chain, *, outputs: Sequence[int] | None = None, is_noisy: bool = False) -> str:
    """The chain as a method. A noisy one passes what rounds through ``self.noise``."""
    lines = [f"def forward(self, {', '.join(f'v{item.value}: torch.Tensor' for item in chain.inputs)}):"]
    for step in chain.steps:
        if is_noisy and step.rounding is Rounding.TIES:
            lines.extend(f"    v{operand} = self.noise(v{operand}, 'ties')" for operand in step.operands)
        lines.extend(f"    {line}" for line in step.lines())
        if is_noisy and step.rounding in (Rounding.ELEMENT, Rounding.RANGE, Rounding.SUM):
            read = step.operands[0] if step.rounding is Rounding.SUM else None
            for result in step.results:
                given = f"v{result}, {step.rounding.value!r}" + ("" if read is None else f", v{read}")
                lines.append(f"    v{result} = self.noise({given})")
    found = ", ".join(f"v{value}" for value in (chain.outputs if outputs is None else outputs))
    lines.append(f"    return ({found},)" if outputs is not None else f"    return {found}")
    return "\n".join(lines) + "\n"


def in_double(source: str) -> str:
    """Source code that computes in float64 where it computed in float32."""
    return source.replace("torch.float32", "torch.float64")


def method(source: str) -> Callable[..., object]:
    """The function that source code defines."""
    names: dict[str, object] = {"torch": torch, "F": F}
    exec(compile(source, "chain", "exec"), names)  # noqa: S102 - the code is our own
    made: object = names["forward"]
    if not callable(made):
        raise TypeError("the source defines no function")
    return made


class ChainModule(torch.nn.Module):
    """The chain as an eager module."""

    def __init__(self, chain: Chain, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        place_parameters(self, parameters)
        self.run = method(forward_source(chain))

    def forward(self, *given: torch.Tensor) -> object:
        """Run every step."""
        return self.run(self, *given)


def place_parameters(module: torch.nn.Module, parameters: Mapping[str, torch.Tensor]) -> None:
    """Give a module its parameters, and buffers where no gradient could be."""
    for name, tensor in parameters.items():
        if tensor.is_floating_point():
            module.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
        else:
            module.register_buffer(name, tensor)


def script(chain: Chain, parameters: Mapping[str, torch.Tensor]) -> torch.jit.ScriptModule:
    """The chain as a scripted module."""
    holder = torch.nn.Module()
    place_parameters(holder, parameters)
    with quiet():
        # Types are not shared, since each module gets a forward of its own.
        made: torch.jit.ScriptModule = create_script_module(holder.eval(), lambda _module: [], share_types=False)  # type: ignore[no-untyped-call]  # it has no types
        made.define(forward_source(chain))
    return made


def reproduction(chain: Chain, level: int, target: str) -> str:
    """A program that shows what the chain does at a level, for a target."""
    lines = ["import torch, nnapi_check", "import torch.nn.functional as F", ""]
    lines += ["class M(torch.nn.Module):"]
    parameters = [
        (step.parameter_name(index), data.text) for step in chain.steps for index, data in enumerate(step.parameters)
    ]
    if parameters:
        lines += ["    def __init__(self):", "        super().__init__()"]
        lines += [f"        self.register_buffer({name!r}, {text})" for name, text in parameters]
    lines += [f"    {line}" for line in forward_source(chain).splitlines()]
    module = "torch.jit.script(M().eval())" if chain.form is Form.SCRIPTED else "M().eval()"
    inputs = ", ".join(item.data.text for item in chain.inputs)
    lines += ["", f"nnapi_check.check({module}, [{inputs}], feature_level={level}, target={target!r})"]
    return "\n".join(lines)
