"""Whether a converted model computes what PyTorch computes."""
