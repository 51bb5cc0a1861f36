"""Expansions: one call of an op, written as calls of other ops which mean the same together."""
