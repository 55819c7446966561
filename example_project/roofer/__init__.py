"""Ridgeline Roofing: a small site whose every form becomes a lead in Octanist."""
