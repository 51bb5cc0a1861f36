"""The TorchScript text of what a package adds to the user's module: parts, their constants, and the wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.lowering.packaging.border import Border

PREPARE_PART = """
def prepare(self, buffers: List[Tensor]) -> None:
    compilation = torch.classes._nnapi.Compilation()
    compilation.init2(self.serialized, buffers, {preference}, {relaxed})
    self.buffers = buffers
    self.compilation = compilation
"""
"""NNAPI keeps pointers into the buffers, so the part keeps the buffers."""

NO_TENSORS = """
def {name}(self) -> List[Tensor]:
    return torch.jit.annotate(List[Tensor], [])
"""

REFUSE = "nnapi_refuse_others"
"""The wrapper's method that raises for inputs that the model does not take."""

SWITCHES = """
def use_cpu(self) -> None:
    self.nnapi_enabled = False

def use_nnapi(self) -> None:
    self.nnapi_enabled = True
    self.nnapi_failed = False
"""


@dataclass(frozen=True, slots=True)
class OwnNames:
    """What a package adds to the user's module, by names that begin with ``prefix``."""

    prefix: str = "nnapi"

    @property
    def forward(self) -> str:
        """The method that runs the parts in NNAPI."""
        return f"{self.prefix}_forward"

    @property
    def prepare(self) -> str:
        """The method that hands every part to NNAPI."""
        return f"{self.prefix}_prepare"

    @property
    def buffers(self) -> str:
        """The method that makes every part's buffers."""
        return f"{self.prefix}_buffers"

    @property
    def keep(self) -> str:
        """The method that makes the buffers before anything releases what they are made of."""
        return f"{self.prefix}_keep"

    @property
    def kept(self) -> str:
        """The attribute that holds buffers until NNAPI is given them."""
        return f"{self.prefix}_kept"

    @property
    def computed(self) -> str:
        """The method that computes what weights are not stored as."""
        return f"{self.prefix}_computed"

    def part(self, index: int) -> str:
        """The attribute that is a part."""
        return f"{self.prefix}_part_{index}"

    def constant(self, index: int) -> str:
        """The attribute that is a constant of the module's graphs."""
        return f"{self.prefix}_constant_{index}"


@dataclass(frozen=True, slots=True)
class WrappedSize:
    """What the wrapper has for inputs of certain sizes, by names that end with ``suffix``.

    With ``keeps``, buffers are made before the CPU runs anything for the first time, for that may release packed
    weights.
    """

    names: OwnNames
    suffix: str = ""
    keeps: bool = False

    @property
    def matches(self) -> str:
        """The method that tells whether inputs are of these sizes."""
        return f"nnapi_matches{self.suffix}"

    @property
    def ready(self) -> str:
        """The attribute that tells whether the parts are prepared."""
        return f"nnapi_ready{self.suffix}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of ``forward``: its name, its type's annotation, and the text of its default, if it has one."""

    name: str
    annotation: str
    default: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation}" + (f"={self.default}" if self.default is not None else "")


def part_forward_source(inputs: Sequence[Border], outputs: Sequence[Border]) -> str:
    """The ``forward`` of one part: change forms, run, change forms back."""
    names = [f"x{index}" for index in range(len(inputs))]
    made = [f"y{index}" for index in range(len(outputs))]
    result_type = "Tensor" if len(outputs) == 1 else f"Tuple[{', '.join(['Tensor'] * len(outputs))}]"
    results = [border.outward_source(name) for border, name in zip(outputs, made, strict=True)]
    return "\n".join(
        [
            f"def forward(self{''.join(f', {name}: Tensor' for name in names)}) -> {result_type}:",
            "    compilation = self.compilation",
            "    if compilation is None:",
            '        raise RuntimeError("NNAPI is not prepared.")',
            *(f"    {name} = {border.template_source()}" for border, name in zip(outputs, made, strict=True)),
            "    compilation.run(",
            f"        [{', '.join(border.inward_source(name) for border, name in zip(inputs, names, strict=True))}],",
            f"        [{', '.join(made)}])",
            *(f"    z{index} = {result}" for index, result in enumerate(results)),
            f"    return {', '.join(f'z{index}' for index in range(len(results)))}",
            "",
        ]
    )


def buffers_source(names: OwnNames, lines: Sequence[str], parts: Sequence[Sequence[str]], *, has_computed: bool) -> str:
    """The method that makes every part's buffers; ``lines`` compute the named tensors of ``parts``."""
    first = [f"    computed = self.{names.computed}()"] if has_computed else []
    lists = [f"torch.jit.annotate(List[Tensor], [{', '.join(made)}])" for made in parts]
    return "\n".join(
        [
            f"def {names.buffers}(self) -> List[List[Tensor]]:",
            *first,
            *(f"    {line}" for line in lines),
            f"    return torch.jit.annotate(List[List[Tensor]], [{', '.join(lists)}])",
            "",
        ]
    )


def prepare_source(names: OwnNames, parts: Sequence[str], *, keeps: bool) -> str:
    """The method that hands every part to NNAPI, and where buffers are kept, the one that keeps them."""
    none = "torch.jit.annotate(List[List[Tensor]], [])"
    kept = [f"    self.{names.keep}()", f"    buffers = self.{names.kept}", f"    self.{names.kept} = {none}"]
    keep = [
        f"def {names.keep}(self) -> None:",
        f"    if len(self.{names.kept}) == 0:",
        f"        self.{names.kept} = self.{names.buffers}()",
    ]
    return "\n".join(
        [
            *(keep if keeps else ()),
            f"def {names.prepare}(self) -> None:",
            *(kept if keeps else (f"    buffers = self.{names.buffers}()",)),
            *(f"    self.{name}.prepare(buffers[{index}])" for index, name in enumerate(parts)),
            "",
        ]
    )


def switches_source(sizes: Sequence[OwnNames]) -> str:
    """The wrapper's methods that turn NNAPI off and on, and the one that gives every part's buffers."""
    buffers = " + ".join(f"self.model.{names.buffers}()" for names in sizes)
    return f"{SWITCHES}\ndef nnapi_buffers(self) -> List[List[Tensor]]:\n    return {buffers}\n"


def serialized_source(parts: Sequence[str]) -> str:
    """The wrapper's method that gives every part's NNAPI model, as bytes in an int32 tensor."""
    models = ", ".join(f"self.model.{name}.serialized" for name in parts)
    return f"def nnapi_serialized(self) -> List[Tensor]:\n    return torch.jit.annotate(List[Tensor], [{models}])\n"


def same_call_source(method: str, parameters: Sequence[Parameter]) -> str:
    """A method with the parameters of ``forward`` that calls it."""
    given = ", ".join(parameter.name for parameter in parameters)
    signature = "".join(f", {parameter}" for parameter in parameters)
    return f"def {method}(self{signature}):\n    return self.forward({given})\n"


def wrapper_forward_source(
    sizes: Sequence[WrappedSize], parameters: Sequence[Parameter], *, refuses: bool = False
) -> str:
    """The wrapper's ``forward``: NNAPI where it is wanted and the inputs are those converted for, else the CPU.

    The parts for inputs of some sizes are prepared by the first call that they are for. Where that fails the call
    raises, and later ones run on the CPU: preparing takes long, and would fail again. With ``refuses``, inputs that the
    CPU path does not take raise.
    """
    given = ", ".join(parameter.name for parameter in parameters)
    signature = "".join(f", {parameter}" for parameter in parameters)
    return "\n".join(
        [
            f"def forward(self{signature}):",
            "    if self.nnapi_enabled and not self.nnapi_failed:",
            *(line for size in sizes for line in _keeping_lines(size) if len(sizes) > 1),
            *(line for size in sizes for line in _running_lines(size, given)),
            *(line for size in sizes for line in _keeping_lines(size) if len(sizes) == 1),
            *((f"    self.{REFUSE}({given})",) if refuses else ()),
            f"    return self.model.forward({given})",
            "",
        ]
    )


def _keeping_lines(size: WrappedSize) -> tuple[str, ...]:
    if not size.keeps:
        return ()
    return (f"        if not self.{size.ready}:", f"            self.model.{size.names.keep}()")


def _running_lines(size: WrappedSize, given: str) -> tuple[str, ...]:
    return (
        f"        if self.{size.matches}({given}):",
        f"            if not self.{size.ready}:",
        "                self.nnapi_failed = True",
        f"                self.model.{size.names.prepare}()",
        "                self.nnapi_failed = False",
        f"                self.{size.ready} = True",
        f"            return self.model.{size.names.forward}({given})",
    )


def bundled_inputs_source(annotations: Sequence[str]) -> str:
    """The methods by which benchmarks find the inputs that a module brings along."""
    return (
        f"def get_all_bundled_inputs(self) -> List[Tuple[{', '.join(annotations)}]]:\n"
        "    return self.bundled_inputs\n"
        "def get_num_bundled_inputs(self) -> int:\n"
        "    return len(self.bundled_inputs)\n"
    )
