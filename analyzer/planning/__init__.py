"""What of a judged graph runs where: layout, parts, what they are worth, and the score."""
