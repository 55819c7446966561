"""Models of the tests' own site."""

from __future__ import annotations

from django.db import models


class Company(models.Model):
    """A company that asks for quotes."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Quote(models.Model):
    """A request for a quote."""

    company = models.ForeignKey(Company, null=True, on_delete=models.CASCADE)
    full_name = models.CharField(max_length=100)
    email = models.EmailField()
    roof = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return self.full_name

    def greeting(self) -> str:
        return f"Dear {self.full_name}"


class UrgentQuote(Quote):
    """A quote under another name: a proxy."""

    class Meta:
        proxy = True


class CallBack(Quote):
    """A quote that somebody asks to be called about: a row of its own behind the quote's."""

    at = models.CharField(max_length=20)


class Enquiry(models.Model):
    """What the kinds of enquiry have in common."""

    email = models.EmailField()
    company = models.ForeignKey(Company, null=True, on_delete=models.CASCADE)
    follows = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)

    class Meta:
        abstract = True


class Complaint(Enquiry):
    """One kind of enquiry."""

    def __str__(self) -> str:
        return self.email


class Praise(Enquiry):
    """Another."""

    def __str__(self) -> str:
        return self.email
