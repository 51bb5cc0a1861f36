"""Everything that is written for a user: whole or not at all, and never in place of what is not ours."""
