"""One TorchScript file of NNAPI parts and CPU fallback: written, saved and read back."""
