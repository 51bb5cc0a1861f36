"""Import of NNAPI's own documents, the NDK header and Android's specification, into the registry's text."""
