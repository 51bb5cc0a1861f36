"""Graph to graph: runs of nodes that mean one op become one node. One rewrite a file."""
