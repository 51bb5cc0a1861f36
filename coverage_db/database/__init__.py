"""The registry's SQLite database: its tables, how it is built from text, and where it is kept."""
