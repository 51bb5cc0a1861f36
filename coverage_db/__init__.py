"""What is known: NNAPI's facts, the op cards and the differences, as text in git and SQLite at use."""
