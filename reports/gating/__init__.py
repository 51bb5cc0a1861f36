"""What is asked of a model: gates, and baselines that a model must not fall behind."""
