"""Ops that an exported program calls and nothing here has registered: what the program tells of them."""
