"""Rewrites of a draft that keep what it computes: one file a rewrite."""
