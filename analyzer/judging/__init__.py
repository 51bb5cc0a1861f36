"""Whether each node can run on NNAPI, and if not, why not."""
