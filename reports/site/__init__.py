"""The registry as a site of static pages: a matrix of ops and levels, and a page for everything that it knows."""
