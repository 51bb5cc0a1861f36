"""Complex numbers, which NNAPI has not: Fourier transforms and what is done to their results, on pairs of tensors."""
