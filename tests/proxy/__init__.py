"""The first-party pixel."""
