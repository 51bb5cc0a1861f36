"""Runs of reshapes and permutations that go through tensors of rank 5 or more: what they do together, and as what."""
