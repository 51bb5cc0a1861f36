"""NNAPI's operations in numpy, written from the specification: the oracle for models without a phone."""
