"""Fixups: a part is drafted in fewer operations that compute the same. One fixup a file."""
