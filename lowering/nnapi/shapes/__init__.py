"""Output shapes of operations, as far as they follow before execution."""
