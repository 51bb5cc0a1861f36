"""What a model file is, and how it is opened safely: nothing in it runs before it was looked through."""
