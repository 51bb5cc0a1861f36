"""The inputs of a model: what the user gives for them, and what ``forward`` takes."""
