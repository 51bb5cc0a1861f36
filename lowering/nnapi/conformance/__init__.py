"""Conformance vectors: read, run, and what of NNAPI they show to work."""
