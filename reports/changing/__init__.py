"""What to change in a model, and what comes of it."""
