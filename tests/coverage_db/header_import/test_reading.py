"""What a document says is read, and what is not understood is told instead of guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.header_import.findings import DocumentKind, Findings, read_findings
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.spec import (
    Configuration,
    OperandType,
    OperationFacts,
    QuantRule,
    QuantRuleKind,
    RankFacts,
    ZeroFacts,
)
from tests.coverage_db.header_import.made_up import FLOOR, SPECIFICATION, WHIRL, header, written
from tests.registry_numbers import NEXT_LEVEL

COMMENT = """
    /**
     * Something.
     *
{lines}
     * Available since NNAPI feature level 3.
     */
    ANEURALNETWORKS_THING = 200,
"""


def read(folder: Path, text: str) -> Findings:
    return read_findings(written(folder, text), load_levels())


def thing(folder: Path, words: str) -> tuple[OperationFacts, list[str]]:
    """The operation that these lines describe, and why some were not read."""
    lines = "\n".join(f"     * {line}" if line else "     *" for line in words.strip("\n").split("\n"))
    found = read(folder, header(COMMENT.format(lines=lines)))
    return found.operations[0], [item.why for item in found.unread if item.subject == "THING"]


TYPES = "Supported tensor {@link OperandCode}:\n* {@link ANEURALNETWORKS_TENSOR_FLOAT32}\n"


def test_api_levels_stand_for_feature_levels(tmp_path: Path) -> None:
    text = header(WHIRL).replace(
        f"Available since NNAPI feature level {NEXT_LEVEL}.\n     */\n    ANEURALNETWORKS_WHIRL",
        "Available since API level 29.\n     */\n    ANEURALNETWORKS_WHIRL",
    )

    assert read(tmp_path, text).operations[0].since == 3


def test_a_guard_tells_the_level_of_a_header_that_names_none(tmp_path: Path) -> None:
    text = FLOOR.replace("     * Available since NNAPI feature level 1.\n", "").replace(
        f" (since NNAPI feature level {NEXT_LEVEL})", ""
    )
    guarded = f"#if __ANDROID_API__ >= __ANDROID_API_O_MR1__\ntypedef enum {{{text}}} OperationCode;\n#endif\n"

    assert read(tmp_path, guarded).operations[0].since == 1


def test_a_remark_above_members_tells_their_level(tmp_path: Path) -> None:
    text = FLOOR.replace("     * Available since NNAPI feature level 1.\n", "")
    remark = "    // Operations below are available since NNAPI feature level 4.\n"

    found = read(tmp_path, header(remark, text)).operations[0]

    assert (found.since, found.since_from) == (4, "section")


def test_an_operation_without_a_level_is_not_taken(tmp_path: Path) -> None:
    found = read(tmp_path, header(FLOOR.replace("     * Available since NNAPI feature level 1.\n", ""), WHIRL))

    assert [facts.name for facts in found.operations] == ["WHIRL"]
    assert [item.why for item in found.unread] == ["neither the comment nor a remark or guard above it names a level"]


@pytest.mark.parametrize("inputs", ["", "     * Inputs:\n     *\n"])
def test_an_operation_without_inputs_is_not_taken(tmp_path: Path, inputs: str) -> None:
    start, end = FLOOR.index("     * Inputs:"), FLOOR.index("     * Outputs:")

    found = read(tmp_path, header(FLOOR[:start] + inputs + FLOOR[end:], WHIRL))

    assert [facts.name for facts in found.operations] == ["WHIRL"]
    assert "lists no inputs" in [item.why for item in found.unread]


def test_a_level_that_nobody_numbers_is_not_guessed(tmp_path: Path) -> None:
    later = f"feature level {NEXT_LEVEL + 3}"

    found = read(tmp_path, header(WHIRL.replace(f"feature level {NEXT_LEVEL}", later), FLOOR))

    assert [facts.name for facts in found.operations] == ["FLOOR"]
    assert f"{later} is neither in levels.toml" in found.unread[0].why


def test_an_operand_type_that_is_not_known_is_told(tmp_path: Path) -> None:
    found, unread = thing(tmp_path, f"{TYPES}* {{@link ANEURALNETWORKS_TENSOR_BFLOAT16}}\n\nInputs:\n* 0: A tensor.\n")

    assert found.types == ((OperandType.TENSOR_FLOAT32, 3),)
    assert "is not an element type that this version knows" in unread


@pytest.mark.parametrize(
    ("words", "rank"),
    [
        ("up to 4", RankFacts(None, 4)),
        ("from 1.", RankFacts(1, None)),
        ("3, either way.", RankFacts(3, 3)),
        ("at least 2 and up to 4", RankFacts(2, 4)),
        (
            "up to 4.\nTensors with rank other than 2 or 4 are only supported since NNAPI feature level 4.",
            RankFacts(None, 4, (2, 4), 4),
        ),
    ],
)
def test_reads_ranks(tmp_path: Path, words: str, rank: RankFacts) -> None:
    found, unread = thing(tmp_path, f"{TYPES}\nSupported tensor rank: {words}\n\nInputs:\n* 0: A tensor.\n")

    assert found.rank == rank
    assert unread == []


def test_a_rank_that_is_not_understood_is_told(tmp_path: Path) -> None:
    found, unread = thing(tmp_path, f"{TYPES}\nSupported tensor rank: a prime number\n\nInputs:\n* 0: A tensor.\n")

    assert found.rank is None
    assert unread == ["the rank is not understood"]


def test_inputs_that_belong_together_are_counted_together(tmp_path: Path) -> None:
    found, _ = thing(
        tmp_path,
        f"""{TYPES}
Inputs:
* 0: A tensor.
* 1: An optional {{@link ANEURALNETWORKS_BOOL}} scalar, default to false.
* 2: An optional {{@link ANEURALNETWORKS_INT32}} scalar. Defaults to 1. If this
     input is set, input 3 (the other) must be specified as well.
     Available since NNAPI feature level 4.
* 3: An optional {{@link ANEURALNETWORKS_INT32}} scalar. Defaults to 1.
     Available since NNAPI feature level 4.
""",
    )

    assert found.signatures[0].counts == ((1, 3), (2, 3), (4, 4))


def test_a_repeated_input_has_a_span_and_the_one_after_it_is_last(tmp_path: Path) -> None:
    found, _ = thing(
        tmp_path, f"{TYPES}\nInputs:\n* 0 ~ n-1: Tensors.\n* n: An {{@link ANEURALNETWORKS_INT32}} scalar.\n"
    )

    signature = found.signatures[0]
    assert (signature.is_variadic, signature.fixed_inputs, signature.counts) == (True, 1, ())
    assert [(operand.span, operand.is_last) for operand in signature.inputs] == [("0~n-1", False), ("n", True)]


def test_a_missing_number_is_told(tmp_path: Path) -> None:
    found, unread = thing(tmp_path, f"{TYPES}\nInputs:\n* 0: A tensor.\n* 2: A tensor.\n")

    assert len(found.signatures[0].inputs) == 1
    assert unread == ["1 was wanted as the number of the input"]


def test_a_second_list_of_the_same_name_is_told(tmp_path: Path) -> None:
    found, unread = thing(tmp_path, f"{TYPES}\nInputs (one):\n* 0: A tensor.\n\nInputs (one):\n* 0: A tensor.\n")

    assert [signature.name for signature in found.signatures] == ["one"]
    assert unread == ["a second list of inputs has the same name"]


def test_optional_outputs_come_in_groups(tmp_path: Path) -> None:
    found, _ = thing(
        tmp_path,
        f"""{TYPES}
Inputs:
* 0: A tensor.

Outputs:
* 0: A tensor.
* 1: A tensor. Unused if merged.
* 2: A tensor. This output is optional and can be omitted. If this output is
     present then output 3 must be present as well.
     Available since NNAPI feature level 4.
* 3: A tensor. This output is optional and can be omitted.
     Available since NNAPI feature level 4.
""",
    )

    assert found.output_counts == ((1, 3), (2, 3), (3, 4), (4, 4))


def test_a_scalar_follows_the_main_operand(tmp_path: Path) -> None:
    found, _ = thing(
        tmp_path,
        f"""{TYPES}
Inputs:
* 0: A tensor.
* 1: A scalar, specifying epsilon. The scalar must be of
     {{@link ANEURALNETWORKS_FLOAT16}} if input0 is of
     {{@link ANEURALNETWORKS_TENSOR_FLOAT16}} and of
     {{@link ANEURALNETWORKS_FLOAT32}} otherwise.
""",
    )

    epsilon = found.signatures[0].inputs[1]
    assert epsilon.is_scalar
    assert epsilon.role == "epsilon"
    assert epsilon.type_by_main == ((OperandType.TENSOR_FLOAT16, OperandType.FLOAT16), (None, OperandType.FLOAT32))


def test_reads_combinations_of_types_with_their_levels(tmp_path: Path) -> None:
    found, _ = thing(
        tmp_path,
        """
Supported tensor {@link OperandCode} configurations:
* Floats:
* * {@link ANEURALNETWORKS_TENSOR_FLOAT32} for input, filter, output, and bias.

Available since NNAPI feature level 4:
* Signed:
* * {@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED} for input, filter, and
* * output.
* * {@link ANEURALNETWORKS_TENSOR_INT32} for bias (with scale set to a product).

Inputs:
* 0: A tensor.
""",
    )

    floats = OperandType.TENSOR_FLOAT32
    assert found.configurations[0] == Configuration(3, floats, floats, floats, floats)
    assert found.configurations[1].since == 4
    assert found.types == ((floats, 3), (OperandType.TENSOR_QUANT8_ASYMM_SIGNED, 4))


def test_reads_rules_of_scale_and_zero_point(tmp_path: Path) -> None:
    found, unread = thing(
        tmp_path,
        f"""{TYPES}
Inputs:
* 0: A tensor.

Outputs:
* 0: A tensor. For {{@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM}}, the scale must
     be 1.f / 256 and the zeroPoint must be 0.
     For a {{@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED}} tensor, the scale
     and zeroPoint must be the same as input0.
""",
    )

    asymmetric, signed = OperandType.TENSOR_QUANT8_ASYMM, OperandType.TENSOR_QUANT8_ASYMM_SIGNED
    assert set(found.outputs[0].quant) == {
        QuantRule(QuantRuleKind.FIXED, frozenset({asymmetric}), scale=1 / 256, zero_point=0),
        QuantRule(QuantRuleKind.SAME_AS_INPUT, frozenset({signed}), index=0),
    }
    assert unread == []


def test_a_rule_in_other_words_is_told(tmp_path: Path) -> None:
    _, unread = thing(
        tmp_path, f"{TYPES}\nInputs:\n* 0: A tensor.\n\nOutputs:\n* 0: The zeroPoint is a matter of taste.\n"
    )

    assert unread == ["what is said of the scale and zero point of output 0 is not understood"]


def test_a_specification_is_read_for_the_ndk(tmp_path: Path) -> None:
    found = read_findings(written(tmp_path, SPECIFICATION, "made.spec"), load_levels())

    assert found.kind is DocumentKind.SPECIFICATION
    whirl, unwhirl = found.operations
    assert whirl.types == ((OperandType.TENSOR_FLOAT32, 3), (OperandType.TENSOR_FLOAT16, 3))
    assert (whirl.code, whirl.since, whirl.since_from) == (106, 3, "")
    assert whirl.zero == (ZeroFacts("size", 3, ("0",)),)
    assert (unwhirl.since, unwhirl.since_from) == (3, "section")


def test_directives_of_older_specifications_are_read_too(tmp_path: Path) -> None:
    older = (
        SPECIFICATION.replace("%section AVAIL3", "%define-lines AVAIL3")
        .replace("%/section\n%/kind", "%/define-lines\n%/kind")
        .replace("%insert ", "%insert-lines ")
    )

    assert [facts.name for facts in read(tmp_path, older).operations] == ["WHIRL", "UNWHIRL"]
