"""Edits of a model's code: what to write in place of calls that stay off NNAPI."""
