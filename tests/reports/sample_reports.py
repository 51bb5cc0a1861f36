"""Reports made by hand, with something in every section."""

from dataclasses import replace

from nnapi_check.reports.naming import NOWHERE, place_words
from nnapi_check.reports.views import (
    BlockerView,
    CauseView,
    DifferenceView,
    EditView,
    FailureView,
    FirstChangesView,
    GateView,
    IfQuantizedView,
    InFloatsView,
    LayerView,
    LevelView,
    LossView,
    ModelReport,
    NodeView,
    NumbersView,
    PartView,
    PlaceView,
    RemedyView,
    StaysInFloatsView,
    VerificationView,
    WorkView,
)

HOSTILE = "<script>alert('x')</script>&\x1b[31m\"evil\""

CEIL_MODE = FailureView(
    reason="NNC402",
    title="An argument has a value that NNAPI cannot express",
    requirement="no-dilation",
    way="operation",
    found="dilation is (2, 1)",
    wanted="dilation is (1, 1)",
    because="MAX_POOL_2D has no dilation.",
    fix="Use a larger kernel without dilation, or pool twice.",
)
SMALL_KERNEL = FailureView(
    reason="NNC402",
    title="An argument has a value that NNAPI cannot express",
    requirement="one-cell",
    way="strided",
    found="kernel_size is (3, 2)",
    wanted="kernel_size is (1, 1)",
    because="This way takes every other cell.",
    fix="Pass kernel_size=1.",
)
UNKNOWN_OP = FailureView(
    reason="NNC103",
    title="Nothing is known of this op",
    requirement="card",
    way="",
    found="mylib.whiten.default",
    wanted="an op that the registry has a card for",
    because="Nothing is known of this op and nothing is guessed, so PyTorch computes it.",
    fix="Write a card for mylib.whiten.default, or express it with ops that have one (`nnapi-check ops search`).",
)


def node(index: int, op: str, part: int | None, *failures: FailureView, work: int = 0) -> NodeView:
    """A node of the sample."""
    is_known = not any(failure.reason == "NNC103" for failure in failures)
    return NodeView(
        id=index,
        op=op,
        module=f"encoder.stage{index // 4}.block.{index % 4}",
        file="/home/ada/work/vision/models/segmenter.py",
        line=40 + index,
        status="native" if not failures else "cpu" if is_known else "unknown",
        way=None if failures else "operation",
        level=None if failures else 1,
        emits=() if failures else (op.split(".")[1].upper(),),
        differences=() if failures else ("layout",),
        bound=None,
        part=part,
        is_op=True,
        multiply_adds=work,
        is_counted=is_known,
        output="f32[1,24,56,72]",
        failures=failures,
        kept_because=None,
    )


def blocker(failure: FailureView, op: str, *places: PlaceView, is_alternative: bool = False) -> BlockerView:
    """A blocker of the sample."""
    return BlockerView(
        failure.reason,
        failure.title,
        op,
        failure.requirement,
        failure.wanted,
        failure.because,
        failure.fix,
        is_alternative,
        places,
    )


def place(of: NodeView) -> PlaceView:
    """Where a node of the sample stands."""
    return PlaceView(of.op, of.module, of.file, of.line, of.failures[0].found if of.failures else "")


def lost(points: float, kind: str, of: NodeView, what: str = "") -> LossView:
    """Points that the sample lost to a node."""
    return LossView(points, kind, what or of.op, place_words(of), "", of.op, of.module, of.file, of.line)


def numbers(name: str, kind: str = "float32[1,24,56,72]") -> NumbersView:
    """Numbers of the sample."""
    return NumbersView(name, kind, 1.25e-06, 3.5e-07, 1e-4, 131.25, None, None)


TOLERANCE = "float32: 0.0001 of the output's range; quantized: 1 step, on at most 1% of the elements"


def mixed_report() -> ModelReport:
    """A report with two parts, blockers, a kept node, differences, losses, numbers and a gate that is not passed."""
    nodes = (
        *(node(index, "aten.conv2d.default", 0, work=9_000_000) for index in range(9)),
        *(node(index, "aten.max_pool2d.default", None, CEIL_MODE) for index in range(9, 16)),
        *(node(index, "aten.conv2d.default", 1, work=3_000_000) for index in range(16, 20)),
        node(20, "mylib.whiten.default", None, UNKNOWN_OP),
        replace(
            node(21, "aten.relu.default", None),
            kept_because="NNC901 Not worth a part of its own: to copy their tensors there and back costs more than it "
            "saves",
        ),
    )
    pools = [place(item) for item in nodes if item.op == "aten.max_pool2d.default"]
    verification = VerificationView(
        ran_in="PyTorch's NNAPI binding on the host runtime",
        level=4,
        executions=2,
        outputs=(
            numbers("output 0"),
            NumbersView("output 1", "quint8[1,24,56,72]", 0.05, 0.004, None, 48.125, 1, 0.0025),
            NumbersView("output 2", "int64[1]", 0.0, 0.0, 0.0, None, None, None),
        ),
        layers=tuple(
            LayerView(index, "aten.conv2d.default", f"{nodes[index].module} {nodes[index].file}:{40 + index}", found)
            for index, found in ((index, numbers(f"value {index}")) for index in range(14))
        ),
        is_within_tolerance=True,
        tolerance=TOLERANCE,
    )
    return ModelReport(
        model="segmenter",
        tool_version="1.2.3",
        torch_version="2.9.9",
        target="pytorch-mobile",
        target_because="",
        per_channel="split",
        misfit=None,
        feature_level=4,
        api_level=30,
        android="Android 11",
        is_deprecated=False,
        notes=("A note about this target that is long enough to be folded at the width of a terminal of 80 columns.",),
        summary="At most 87% of the work runs on NNAPI, in 2 pieces, and the rest on the CPU.",
        readiness="ready with fallback",
        score=71.46,
        lowest_ready_level=None,
        nodes_total=len(nodes),
        nodes_on_nnapi=13,
        multiply_adds=93_000_000,
        uncounted=1,
        compute_coverage=0.8713,
        work=WorkView(0, 81_000_000, 12_000_000),
        is_quantized=False,
        inputs=("f32[1,3,224,288]",),
        outputs=("f32[1,24,56,72]",),
        gate=GateView(
            False,
            (
                "Nothing is known of mylib.whiten.default; a strict gate refuses that.",
                "The score is 71.4; at least 90 was asked for.",
            ),
        ),
        losses=(
            lost(9.3, "on the CPU", nodes[20]),
            lost(8.2, "crosses a boundary", nodes[20], "f32[1,24,56,72]"),
            *(lost(1.004 - index / 1000, "on the CPU", nodes[9 + index]) for index in range(7)),
            *(lost(0.8, "crosses a boundary", nodes[9 + index], "f32[1,24,56,72]") for index in range(4)),
            LossView(0.833, "approximate", "aten.gelu.default", NOWHERE, op="aten.gelu.default"),
        ),
        levels=tuple(
            LevelView(
                level,
                f"Android {level + 7}" if level <= 5 else "updates to the runtime and drivers of Android 12 and later",
                (level + 26,) if level <= 5 else (),
                "not worthwhile" if level < 3 else "ready with fallback",
                71.46 if level >= 3 else 0.0,
                2 if level >= 3 else 0,
                13 if level >= 3 else 0,
                0.8713 if level >= 3 else 0.0,
                WorkView(0, 81_000_000, 12_000_000) if level >= 3 else WorkView(0, 0, 93_000_000),
            )
            for level in range(1, 9)
        ),
        parts=(
            PartView(
                0,
                tuple(range(9)),
                9,
                12,
                1,
                1,
                81_000_000,
                ("f32[1,3,224,288]", "f32[1,24,112,144]"),
                ("f32[1,24,56,72]", "f32[1,24,112,144]"),
                123_456,
                WorkView(0, 81_000_000, 0),
            ),
            PartView(
                1,
                tuple(range(16, 20)),
                4,
                4,
                0,
                3,
                12_000_000,
                ("f32[1,24,56,72]",),
                ("f32[1,24,56,72]",),
                23_456,
                WorkView(0, 12_000_000, 0),
            ),
        ),
        blockers=(
            blocker(CEIL_MODE, "aten.max_pool2d.default", *pools),
            blocker(SMALL_KERNEL, "aten.max_pool2d.default", *pools, is_alternative=True),
            blocker(UNKNOWN_OP, "mylib.whiten.default", place(nodes[20])),
        ),
        in_floats=(),
        differences=(
            DifferenceView(
                "layout",
                "Channels stand last",
                "Images are NCHW: batch, channels, height, width.",
                "Images are NHWC. A flag for NCHW exists from level 3, but many drivers lack it.",
                "Exact: activations are kept in NHWC across neighboring operations, and permuted elsewhere.",
                13,
            ),
        ),
        nodes=nodes,
        tolerance=TOLERANCE,
        verification=verification,
        artifact="/home/ada/work/vision/models/segmenter_nnapi.pt",
        first_changes=FirstChangesView(
            score=71.25,
            parts=2,
            work=0.91,
            causes=(
                CauseView(
                    ("aten.max_pool2d.default",),
                    CEIL_MODE.because,
                    (RemedyView("supposed", CEIL_MODE.fix, 9.3, 80.55, 1, 0.91, "ready with fallback", None),),
                    (SMALL_KERNEL.fix,),
                    tuple(pools),
                ),
                CauseView(
                    ("aten.conv2d.default",),
                    "NNAPI's operations come near to what this op computes, and no closer.",
                    (
                        RemedyView(
                            "tried",
                            "Compute it by tanh.",
                            4.5,
                            75.75,
                            2,
                            0.91,
                            "ready with fallback",
                            None,
                            (
                                EditView(
                                    "gelu-by-tanh",
                                    "y = F.gelu(x)",
                                    'y = F.gelu(x, approximate="tanh")',
                                    "near",
                                    0.0005,
                                    "no element is a NaN",
                                    2,
                                ),
                            ),
                        ),
                    ),
                    (),
                    (place(nodes[0]),),
                ),
                CauseView(
                    ("mylib.whiten.default",),
                    UNKNOWN_OP.because,
                    (RemedyView("level", "Raise the level to 4.", 4.04, 75.29, 2, 0.95, "ready with fallback", 4),),
                    (),
                    (place(nodes[20]),),
                ),
            ),
            together=RemedyView("supposed", "", 20.1, 91.35, 1, 1.0, "ready with fallback", None),
        ),
    )


def ready_report() -> ModelReport:
    """A report without anything to complain of."""
    mixed = mixed_report()
    nodes = mixed.nodes[:9]
    return replace(
        mixed,
        first_changes=None,
        model="classifier",
        summary="Runs on NNAPI as one model from Android 10 (feature level 3) on.",
        readiness="ready",
        score=100.0,
        lowest_ready_level=3,
        notes=(),
        nodes_total=9,
        nodes_on_nnapi=9,
        multiply_adds=81_000_000,
        uncounted=0,
        compute_coverage=1.0,
        work=WorkView(0, 81_000_000, 0),
        gate=GateView(True, ()),
        losses=(),
        parts=mixed.parts[:1],
        blockers=(),
        differences=(),
        nodes=nodes,
        tolerance=TOLERANCE,
        verification=None,
        artifact=None,
    )


def hostile_report() -> ModelReport:
    """A report whose every name was chosen by somebody who means harm."""
    mixed = mixed_report()
    bad = replace(
        mixed.nodes[9],
        id=len(mixed.nodes),
        op=f"aten.{HOSTILE}.default",
        module=HOSTILE,
        file=HOSTILE,
        failures=(replace(CEIL_MODE, found=HOSTILE),),
        output=HOSTILE,
    )
    return replace(
        mixed,
        model=HOSTILE,
        notes=(HOSTILE,),
        summary=HOSTILE,
        nodes=(*mixed.nodes, bad),
        blockers=(blocker(replace(CEIL_MODE, found=HOSTILE), bad.op, place(bad)),),
        losses=(LossView(1.0, "on the CPU", HOSTILE, HOSTILE),),
        artifact=HOSTILE,
        gate=GateView(False, (HOSTILE,)),
    )


def quantized_report() -> ModelReport:
    """A report on a quantized model, of whose work a part is in integers, another in floats and the rest on the CPU."""
    mixed = mixed_report()
    work = WorkView(45_000_000, 36_000_000, 12_000_000)
    why = FailureView(
        reason="NNC801",
        title="The target cannot carry this",
        requirement="per-tensor-weight",
        way="regular",
        found="weight.quantization is per-channel",
        wanted="weight.quantization is per-tensor",
        because="The integers are multiplied with one scale for the whole filter.",
        fix="Quantize per tensor: torch.ao.quantization.default_weight_observer in the qconfig.",
    )
    nodes = tuple(
        replace(node, arithmetic="integers")
        if node.id < 5
        else replace(node, op="quantized.conv2d.new", arithmetic="floats", in_floats=(why,))
        if node.id < 9
        else replace(node, part=None)
        if node.part == 1
        else node
        for node in mixed.nodes
    )
    places = tuple(PlaceView(node.op, node.module, node.file, node.line, why.found) for node in nodes if node.in_floats)
    alternatives = ("Pass --target ndk, which carries them, where one NNAPI model holds everything.",)
    return replace(
        mixed,
        uncounted=0,
        is_quantized=True,
        work=work,
        levels=tuple(replace(row, work=work if row.level >= 3 else row.work) for row in mixed.levels),
        parts=(replace(mixed.parts[0], work=replace(work, cpu=0)),),
        in_floats=(InFloatsView(why.reason, why.title, why.because, why.fix, alternatives, work.floats, places),),
        losses=(lost(28.54, "integers as floats", nodes[5]),),
        nodes=nodes,
        notes=(),
        verification=None,
    )


def estimated_report() -> ModelReport:
    """A report on a model of floats that says what quantizing it would bring."""
    ready, quantized = ready_report(), quantized_report()
    gelu = PlaceView("aten.gelu.default", "encoder.act", "/home/ada/segmenter.py", 71, "")
    because = "no card says what it becomes on quantized tensors"
    return replace(
        ready,
        if_quantized=IfQuantizedView(
            readiness="ready with fallback",
            score=88.88,
            parts=2,
            multiply_adds=quantized.multiply_adds,
            uncounted=0,
            work=quantized.work,
            weights_bytes_now=46_800_000,
            weights_bytes=11_700_000,
            stays=(
                StaysInFloatsView(because, 0, (gelu,)),
                *(StaysInFloatsView(f"reason {place}", 1_000_000, (gelu, gelu)) for place in range(6)),
            ),
            in_floats=quantized.in_floats,
            cpu_ops=8,
            blockers=quantized.blockers,
            assumption="An estimate.",
        ),
    )
