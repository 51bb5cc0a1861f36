"""What several rules write: products, windows, moves and cells made of NNAPI operations."""
