import django.core.validators
from django.db import migrations, models

import roofer.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="QuoteRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("full_name", models.CharField(max_length=150, verbose_name="your name")),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail")),
                ("phone", models.CharField(max_length=40)),
                (
                    "roof_type",
                    models.CharField(
                        choices=[
                            ("slate", "Slate"),
                            ("tile", "Clay or concrete tile"),
                            ("flat", "Flat roof"),
                            ("stone", "Yorkshire stone"),
                            ("unsure", "I am not sure"),
                        ],
                        max_length=10,
                        verbose_name="what is on your roof?",
                    ),
                ),
                (
                    "area",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="A rough guess is fine. A terraced house has about 60 m².",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(5000),
                        ],
                        verbose_name="roof area in m²",
                    ),
                ),
                ("preferred_date", models.DateField(blank=True, null=True, verbose_name="when may we come and look?")),
                ("message", models.TextField(max_length=4000, verbose_name="what should we know?")),
                (
                    "photo",
                    models.FileField(
                        blank=True,
                        help_text="JPEG, PNG, WebP or HEIC, up to 8 MB.",
                        upload_to="quotes/%Y/%m",
                        validators=[
                            django.core.validators.FileExtensionValidator(["jpg", "jpeg", "png", "webp", "heic"]),
                            roofer.models.validate_photo_size,
                        ],
                        verbose_name="a photo of the roof",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="asked")),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
    ]
