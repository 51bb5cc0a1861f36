"""What a model is: capture of its graph, and the judgement of every node against the registry."""
