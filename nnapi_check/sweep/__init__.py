"""Many models at several levels and targets: each in a process of its own, with answers kept in SQLite."""
