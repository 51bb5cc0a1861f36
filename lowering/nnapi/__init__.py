"""NNAPI models: structure, validation, serialization, interpretation. Knows neither PyTorch nor rules."""
