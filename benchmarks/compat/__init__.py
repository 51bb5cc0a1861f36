"""Which PyTorch runs what this one writes: the releases from the last of PyTorch Mobile's time to the newest."""
