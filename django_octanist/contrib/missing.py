"""What an adapter says where the package that it adapts is not installed."""

from __future__ import annotations


class MissingPackageError(ImportError):
    """A package that an adapter of ``django_octanist.contrib`` needs is not there."""


def missing(adapter: str, *, package: str) -> MissingPackageError:
    """Return the error for ``adapter``, whose extra has its name (``drf``); ``package`` is as PyPI has it."""
    return MissingPackageError(
        f'django_octanist.contrib.{adapter} needs {package}: pip install "django-octanist[{adapter}]"'
    )
