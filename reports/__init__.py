"""What a person or a machine reads about a verdict, a conversion and a verification."""
