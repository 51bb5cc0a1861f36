"""NNAPI's C interface on a desktop: a library named ``libneuralnetworks.so`` that the interpreter stands behind."""
