"""The views of the registry's database: the questions that people ask, answered in one SELECT each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """A view: what a row of it is, its columns with what each holds, the query, and a question that it answers."""

    name: str
    title: str
    columns: tuple[tuple[str, str], ...]
    query: str
    example: str


VIEWS = (
    ViewPlan(
        "op_levels",
        "What becomes of an op at a feature level, in any element type.",
        (
            ("op", "The op."),
            ("family", "Its family."),
            ("feature_level", "The level."),
            (
                "status",
                "That of the best way that the level has: native, lowered or approximate. Without one: later where a"
                " higher level has a way, else gap, unwritten, or rewritten where the op is read as another one.",
            ),
            ("ways", "How many ways the level has."),
        ),
        """
        SELECT ops.op, ops.family, levels.feature_level,
               CASE WHEN ops.status IN ('gap', 'unwritten', 'rewritten') THEN ops.status
                    ELSE COALESCE(
                        (SELECT ways.status FROM ways WHERE ways.op = ops.op AND ways.since <= levels.feature_level
                         ORDER BY CASE ways.status WHEN 'native' THEN 0 WHEN 'lowered' THEN 1 ELSE 2 END LIMIT 1),
                        'later')
               END AS status,
               (SELECT count(*) FROM ways WHERE ways.op = ops.op AND ways.since <= levels.feature_level) AS ways
        FROM ops CROSS JOIN levels
        """,
        "SELECT status, count(*) FROM op_levels WHERE feature_level = 3 GROUP BY status",
    ),
    ViewPlan(
        "op_list",
        "An op in a line.",
        (
            ("op", "The op."),
            ("status", "That of its best way, or why it has none: gap, unwritten or rewritten."),
            ("since", "The lowest feature level of any of its ways; NULL without one."),
            ("becomes", "The operations of its first way, or the ops that it is read as."),
            ("summary", "What it computes."),
        ),
        """
        SELECT ops.op, ops.status, (SELECT min(ways.since) FROM ways WHERE ways.op = ops.op) AS since,
               COALESCE(
                   (SELECT group_concat(becomes, ', ')
                    FROM (SELECT becomes FROM rewritten WHERE rewritten.op = ops.op ORDER BY position)),
                   (SELECT group_concat(operation, ', ')
                    FROM (SELECT emissions.operation FROM emissions JOIN ways ON ways.id = emissions.way
                          WHERE ways.op = ops.op AND ways.position = 0
                          GROUP BY emissions.operation ORDER BY min(emissions.position))),
                   '') AS becomes,
               ops.summary
        FROM ops ORDER BY ops.rowid
        """,
        "SELECT op, becomes FROM op_list WHERE status = 'native' AND since <= 2",
    ),
    ViewPlan(
        "op_types",
        "An element type that an op may take as its first tensor.",
        (
            ("op", "The op."),
            ("type", "NNAPI's operand type."),
            ("since", "The lowest feature level of any way that takes it."),
        ),
        """
        SELECT ways.op, way_types.type, min(way_types.since) AS since
        FROM way_types JOIN ways ON ways.id = way_types.way GROUP BY ways.op, way_types.type
        """,
        "SELECT op FROM op_types WHERE type = 'TENSOR_FLOAT16' AND since <= 3",
    ),
    ViewPlan(
        "operation_ops",
        "An op that becomes an operation, by one of its ways.",
        (("operation", "NNAPI's operation."), ("op", "The op."), ("way", "The way's name."), ("status", "Its status.")),
        """
        SELECT DISTINCT emissions.operation, ways.op, ways.name AS way, ways.status
        FROM emissions JOIN ways ON ways.id = emissions.way
        """,
        "SELECT op, way FROM operation_ops WHERE operation = 'CONV_2D'",
    ),
    ViewPlan(
        "operations_without_ops",
        "An operation that no op becomes.",
        (
            ("operation", "NNAPI's operation."),
            ("since", "The level that it came with."),
            ("could_serve", "How many ops it could serve, for which no rule is written yet."),
        ),
        """
        SELECT operations.name AS operation, operations.since,
               (SELECT count(*) FROM unwritten WHERE unwritten.operation = operations.name) AS could_serve
        FROM operations WHERE operations.name NOT IN (SELECT operation FROM emissions)
        """,
        "SELECT operation FROM operations_without_ops ORDER BY could_serve DESC",
    ),
    ViewPlan(
        "requirement_texts",
        "A condition of a way in words, with its reason and what to do about it.",
        (
            ("op", "The op."),
            ("way", "The way's name."),
            ("requirement", "The condition's id."),
            ("condition", "What must hold."),
            ("because", "Why."),
            ("fix", "What to change where it does not."),
            ("until", "The last feature level that demands it; NULL for all."),
        ),
        """
        SELECT ways.op, ways.name AS way, requirements.id AS requirement, requirements.condition,
               requirements.because, requirements.fix, requirements.until
        FROM requirements JOIN ways ON ways.id = requirements.way
        ORDER BY ways.rowid, requirements.position
        """,
        "SELECT way, condition, fix FROM requirement_texts WHERE op = 'aten.avg_pool2d.default'",
    ),
    ViewPlan(
        "card_examples",
        "An example of a card, and what is expected of it.",
        (
            ("op", "The op."),
            ("way", "The way's name."),
            ("example", "The example's name."),
            ("tensors", "The tensors' types by argument, in JSON."),
            ("args", "The other arguments, in JSON."),
            ("expected", "passes, or the id of the requirement that it breaks."),
        ),
        """
        SELECT ways.op, ways.name AS way, examples.name AS example, examples.tensors, examples.args,
               COALESCE(examples.expect, 'passes') AS expected
        FROM examples JOIN ways ON ways.id = examples.way
        ORDER BY ways.rowid, examples.position
        """,
        "SELECT example, tensors, args, expected FROM card_examples WHERE op = 'aten.max_pool2d.default'",
    ),
)
"""Every view, in the order of the documentation."""
