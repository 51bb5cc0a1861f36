"""What is said of many models at once: a row for each, a column for each target and level."""
