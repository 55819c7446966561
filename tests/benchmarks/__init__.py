"""Measurements, side by side with a peer in one run. ``tox -e bench`` prints them; nothing here fails for a figure."""
