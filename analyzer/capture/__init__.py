"""From a TorchScript module to the graph that everything else works on."""
