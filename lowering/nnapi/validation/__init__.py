"""Whether NNAPI accepts a model, and from which feature level on."""
