from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("roofer", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="StormReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=150, verbose_name="your name")),
                ("phone", models.CharField(max_length=40)),
                (
                    "email",
                    models.EmailField(
                        blank=True,
                        help_text="For the photos that your insurer wants to see.",
                        max_length=254,
                        verbose_name="e-mail",
                    ),
                ),
                (
                    "address",
                    models.CharField(
                        help_text="The house number and the postcode are enough.",
                        max_length=200,
                        verbose_name="where is the roof?",
                    ),
                ),
                (
                    "damage",
                    models.CharField(
                        choices=[
                            ("slates", "Slates or tiles have come off"),
                            ("water", "Water is coming in"),
                            ("chimney", "The chimney or its leadwork is loose"),
                            ("tree", "A tree or a branch lies on the roof"),
                            ("flat", "The flat roof has lifted or torn"),
                            ("other", "Something else"),
                        ],
                        max_length=10,
                        verbose_name="what happened?",
                    ),
                ),
                (
                    "message",
                    models.TextField(
                        blank=True,
                        help_text="From the ground, please. Nobody needs to climb.",
                        max_length=2000,
                        verbose_name="what can you see?",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="reported")),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
    ]
