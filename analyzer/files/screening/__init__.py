"""What a model file may hold, decided before PyTorch reads any of it."""
