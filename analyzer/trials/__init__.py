"""Edits applied to a graph, as if the user had made them: what is promised of one is what was tried."""
