"""Lists, dictionaries and objects of a script: followed while it is typed, and taken out of its graph."""
