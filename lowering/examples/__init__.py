"""Cards' examples as modules that run, and how exact their numbers were measured to be."""
