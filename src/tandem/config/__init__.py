"""The objects that an operator edits, their attributes declared once, and what they compile to."""
