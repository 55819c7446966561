"""A local Octanist for development and tests: API, stand-in pixel, and a page that shows what arrived.

It needs no account and nothing beyond the standard library and Django, listens on loopback only, and keeps
everything in memory. ``octanist_sandbox`` runs it; :mod:`django_octanist.test` offers it to a site's own tests.
"""
