"""What PyTorch's kernels demand of the arguments of calls."""
