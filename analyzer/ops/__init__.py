"""PyTorch's ops as capture needs them: which may be called, what they give, and which there are."""
