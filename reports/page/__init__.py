"""The report's page: the data of its graph, excerpts of sources, and the scripts and styles that it holds."""
