"""The Python API: what ``import nnapi_check`` gives. PyTorch is imported by the first call that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.errors import LevelError as LevelError
from nnapi_check.coverage_db.errors import UserError as UserError
from nnapi_check.faults import InternalError as InternalError
from nnapi_check.faults import faults_told
from nnapi_check.gate_options import ConversionGateOptions, GateOptions, gate_of
from nnapi_check.reports.views import ModelReport as ModelReport
from nnapi_check.reports.views import VerificationView as VerificationView

if TYPE_CHECKING:
    import torch

    from nnapi_check.analyzer.inputs.arguments import Call
    from nnapi_check.coverage_db.queries import Registry
    from nnapi_check.coverage_db.spec import Preference
    from nnapi_check.coverage_db.targets import PerChannelChoice

    Model = str | Path | torch.nn.Module | torch.export.ExportedProgram
    Inputs = Sequence[object] | Mapping[str, object]


def check(
    model: Model,
    inputs: Inputs | None = None,
    *,
    api_level: int | None = None,
    feature_level: int | None = None,
    baseline: str | Path | None = None,
    trust: bool = False,
    overlay: str | Path | None = None,
    device: str | Path | None = None,
    target: str = "pytorch-mobile",
    per_channel: str = "split",
    if_quantized: bool = False,
    sizes: Sequence[str] = (),
    **gate: Unpack[GateOptions],
) -> ModelReport:
    """Say whether a model runs on NNAPI at one level, what is in the way and how to fix it.

    ``model`` is a file, or a module in memory, which is traced unless it is TorchScript already, or what
    ``torch.export.export`` gave, which brings its inputs. ``inputs`` are
    the arguments of ``forward``, or a mapping of names to them: tensors or specifications such as
    ``"f32[1,3,224,224]"``, numbers, texts, and lists, tuples and dictionaries of those; None takes those stored with
    the model. One of
    ``api_level`` (Android's) and ``feature_level`` (NNAPI's own) may be given; without, the report is about the lowest
    level that no other is better than. The gate asks for a part that runs on NNAPI, and for what ``gate`` says: a
    least score, a verdict (``requires_ready``, ``requires_worthwhile``), with ``strict`` no op of which nothing is
    known, shares of the multiply-adds in percent, at most so many parts, and a model that is ready from a feature level
    on. With a ``baseline``, an earlier report as JSON, it fails only on what is worse than there. ``overlay`` is a file
    of cards to lay over the registry, ``device`` the profile of a device, as ``--registry`` and ``--device`` of the
    command line take them. ``target`` is what carries the model: ``"pytorch-mobile"``, ``"ndk"``, or ``"auto"`` for
    whichever suits.
    ``per_channel`` is what becomes of integer layers whose weights have a scale for each channel, where the target
    carries one alone: ``"split"``, ``"requantize"``, ``"equalize"``, ``"float"`` or ``"cpu"``.
    With ``if_quantized`` the report's ``if_quantized`` says what quantizing a model of floats would bring.
    ``sizes`` are those that inputs are to have: ``["x.2=224,320"]`` are two of dimension 2 of the input ``x``, others
    multiply them, and ``"x.2=480,x.3=640"`` belong together. The report is about the one that gets least, and its
    ``sizes`` tell of each.
    Raises ``InputError`` or ``LevelError``, and for what is wrong in these files ``OverlayError``
    (``nnapi_check.coverage_db.overlay``) or ``DeviceProfileError`` (``nnapi_check.coverage_db.device_profile``), all of
    them ``UserError``.
    """
    from nnapi_check.pipeline import Request
    from nnapi_check.progress import Progress
    from nnapi_check.sized_models import checked_at_sizes, report_on

    request = Request(
        api_level,
        feature_level,
        gate_of("check", gate, GateOptions),
        _path(baseline),
        trust,
        _path(overlay),
        _path(device),
        target=_target(target),
        per_channel=_per_channel(per_channel),
        if_quantized=if_quantized,
        sizes=_sizes(sizes),
    )
    with faults_told():
        return report_on(checked_at_sizes(*_opened(model, inputs), request, Progress(is_quiet=True)))


def convert(
    model: Model,
    output: str | Path,
    inputs: Inputs | None = None,
    *,
    api_level: int | None = None,
    feature_level: int | None = None,
    baseline: str | Path | None = None,
    trust: bool = False,
    overlay: str | Path | None = None,
    device: str | Path | None = None,
    target: str = "pytorch-mobile",
    per_channel: str = "split",
    lite: bool = False,
    relaxed: bool = False,
    preference: str = "sustained-speed",
    bundle_input: bool = False,
    verify: bool = True,
    layers: bool = False,
    sizes: Sequence[str] = (),
    **gate: Unpack[ConversionGateOptions],
) -> ModelReport:
    """Convert a model to one TorchScript file with NNAPI parts and a CPU fallback, and measure its numbers.

    Arguments are those of ``check``, a level among them; ``max_bytes`` is a gate on what is written. With ``lite`` the
    file suits PyTorch Mobile's lite interpreter, ``bundle_input`` stores an example input in it, and ``layers``
    compares layer by layer. With several ``sizes`` the file runs each on NNAPI, and all others on the CPU.
    ``relaxed`` lets drivers compute float32 with float16's numbers, and ``preference`` says what they are to favor:
    ``"low-power"``, ``"fast-single-answer"`` or ``"sustained-speed"``. The report's ``verification`` has the
    numbers; its ``artifact`` is None, and nothing was written, where the gate was not passed.
    """
    from nnapi_check.conversion import ConversionOptions, convert_model
    from nnapi_check.lowering.packaging.saving import Form
    from nnapi_check.pipeline import Request
    from nnapi_check.progress import Progress

    request = Request(
        api_level,
        feature_level,
        gate_of("convert", gate, ConversionGateOptions),
        _path(baseline),
        trust,
        _path(overlay),
        _path(device),
        target=_target(target),
        per_channel=_per_channel(per_channel),
        sizes=_sizes(sizes),
    )
    with faults_told():
        return convert_model(
            *_opened(model, inputs),
            _file(output),
            request,
            Progress(is_quiet=True),
            ConversionOptions(
                Form.LITE if lite else Form.FULL,
                _preference(preference),
                relaxed=relaxed,
                bundle_input=bundle_input,
                verify=verify,
                with_layers=layers,
            ),
        ).report


def verify(
    output: str | Path,
    against: Model,
    inputs: Inputs | None = None,
    *,
    layers: bool = False,
    trust: bool = False,
) -> VerificationView:
    """Run a converted file and the model it was made from on the same inputs, and measure how far apart they are."""
    from nnapi_check.conversion import verify_file
    from nnapi_check.progress import Progress

    with faults_told():
        return verify_file(
            _file(output),
            *_opened(against, inputs),
            Progress(is_quiet=True),
            with_layers=layers,
            trust=trust,
        )


def explain(name: str) -> str:
    """What is known of a reason code, a difference, an op, a module or function of PyTorch, or an NNAPI operation.

    The text is that of the command ``explain``. Raises a ``UserError`` for a name that is not known.
    """
    from nnapi_check.coverage_db.queries import open_registry
    from nnapi_check.reports.registry_text import explained

    return explained(name, open_registry()).text


def registry() -> Registry:
    """What is known of PyTorch's ops and NNAPI's operations. Imports no PyTorch."""
    from nnapi_check.coverage_db.queries import open_registry

    return open_registry()


def _path(file: str | Path | None) -> Path | None:
    return None if file is None else _file(file)


def _file(name: str | Path) -> Path:
    if not isinstance(name, str | Path):
        raise InputError(f"A file is named by a text or a Path, not by a value of type {type(name).__name__}.")
    return Path(name)


def _sizes(texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise InputError(f"Sizes are a list of texts, such as ['x.2=224,320'], not one text: {texts!r}.")
    return tuple(texts)


def _preference(word: str) -> Preference:
    from nnapi_check.coverage_db.spec import Preference

    found = {preference.word: preference for preference in Preference}
    if word not in found:
        raise InputError(f"A preference is one of {', '.join(found)}, not {word!r}.")
    return found[word]


def _per_channel(word: str) -> PerChannelChoice:
    from nnapi_check.coverage_db.targets import PerChannelChoice

    known = [choice.value for choice in PerChannelChoice]
    if word not in known:
        raise InputError(f"What becomes of scales per channel is one of {', '.join(known)}, not {word!r}.")
    return PerChannelChoice(word)


def _target(name: str) -> str:
    from nnapi_check.coverage_db.targets import target_names

    if name not in target_names():
        raise InputError(f"A target is one of {', '.join(target_names())}, not {name!r}.")
    return name


def _opened(model: Model, inputs: Inputs | None) -> tuple[Path | torch.nn.Module, Inputs | Call | None]:
    """The model as the rest takes it, and its inputs: an exported program brings its own."""
    import torch

    match model:
        case str():
            return Path(model), inputs
        case Path() | torch.nn.Module():
            return model, inputs
        case torch.export.ExportedProgram():
            from nnapi_check.analyzer.files.program_file import module_of
            from nnapi_check.analyzer.inputs.arguments import Call

            example = None if model.example_inputs is None else Call(*model.example_inputs)
            return module_of(model, "The program"), example if inputs is None else inputs
        case _:
            raise InputError(f"A model is a file, a module or an exported program, not {type(model).__name__}.")
