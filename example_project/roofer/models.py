from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.validators import FileExtensionValidator, MaxValueValidator, MinValueValidator
from django.db import models

from django_octanist.registry import register

MAX_PHOTO = 8 * 1024 * 1024


def validate_photo_size(photo: File) -> None:
    if photo.size > MAX_PHOTO:
        raise ValidationError("Please choose a photo of at most 8 MB.", code="too_large")


class QuoteRequest(models.Model):
    """What a visitor wants a price for. The business works from these; Octanist hears of each as a lead."""

    class Roof(models.TextChoices):
        SLATE = "slate", "Slate"
        TILE = "tile", "Clay or concrete tile"
        FLAT = "flat", "Flat roof"
        STONE = "stone", "Yorkshire stone"
        UNSURE = "unsure", "I am not sure"

    full_name = models.CharField("your name", max_length=150)
    email = models.EmailField("e-mail")
    phone = models.CharField(max_length=40)
    roof_type = models.CharField("what is on your roof?", max_length=10, choices=Roof.choices)
    area = models.PositiveIntegerField(
        "roof area in m²",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(5000)],
        help_text="A rough guess is fine. A terraced house has about 60 m².",
    )
    preferred_date = models.DateField("when may we come and look?", null=True, blank=True)
    message = models.TextField("what should we know?", max_length=4000)
    photo = models.FileField(
        "a photo of the roof",
        upload_to="quotes/%Y/%m",
        blank=True,
        validators=[FileExtensionValidator(["jpg", "jpeg", "png", "webp", "heic"]), validate_photo_size],
        help_text="JPEG, PNG, WebP or HEIC, up to 8 MB.",
    )
    created_at = models.DateTimeField("asked", auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.full_name}, {self.get_roof_type_display()}"


@register(
    form="storm-damage",
    name="name",
    email="email",
    phone="phone",
    note="message",
    custom={"damage": "get_damage_display", "address": "address"},
)
class StormReport(models.Model):
    """Damage that cannot wait. Its row is the lead, whether a visitor sent it or the storm line took it by phone."""

    class Damage(models.TextChoices):
        SLATES = "slates", "Slates or tiles have come off"
        WATER = "water", "Water is coming in"
        CHIMNEY = "chimney", "The chimney or its leadwork is loose"
        TREE = "tree", "A tree or a branch lies on the roof"
        FLAT = "flat", "The flat roof has lifted or torn"
        OTHER = "other", "Something else"

    name = models.CharField("your name", max_length=150)
    phone = models.CharField(max_length=40)
    email = models.EmailField("e-mail", blank=True, help_text="For the photos that your insurer wants to see.")
    address = models.CharField(
        "where is the roof?", max_length=200, help_text="The house number and the postcode are enough."
    )
    damage = models.CharField("what happened?", max_length=10, choices=Damage.choices)
    message = models.TextField(
        "what can you see?", max_length=2000, blank=True, help_text="From the ground, please. Nobody needs to climb."
    )
    created_at = models.DateTimeField("reported", auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.address}: {self.get_damage_display()}"
