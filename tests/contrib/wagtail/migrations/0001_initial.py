import django.db.models.deletion
import modelcluster.fields
import wagtail.contrib.forms.models
from django.db import migrations, models

import django_octanist.contrib.wagtail


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("wagtailcore", "0094_alter_page_locale"),
    ]

    operations = [
        migrations.CreateModel(
            name="EmailFormPage",
            fields=[
                (
                    "page_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="wagtailcore.page",
                    ),
                ),
                (
                    "to_address",
                    models.CharField(
                        blank=True, max_length=255, validators=[wagtail.contrib.forms.models.validate_to_address]
                    ),
                ),
                ("from_address", models.EmailField(blank=True, max_length=255)),
                ("subject", models.CharField(blank=True, max_length=255)),
            ],
            options={
                "abstract": False,
            },
            bases=(
                django_octanist.contrib.wagtail.OctanistFormPageMixin,
                wagtail.contrib.forms.models.FormMixin,
                "wagtailcore.page",
                models.Model,
            ),
        ),
        migrations.CreateModel(
            name="FormPage",
            fields=[
                (
                    "page_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="wagtailcore.page",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
            bases=(
                django_octanist.contrib.wagtail.OctanistFormPageMixin,
                wagtail.contrib.forms.models.FormMixin,
                "wagtailcore.page",
            ),
        ),
        migrations.CreateModel(
            name="OwnWorkPage",
            fields=[
                (
                    "page_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="wagtailcore.page",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
            bases=(
                django_octanist.contrib.wagtail.OctanistFormPageMixin,
                wagtail.contrib.forms.models.FormMixin,
                "wagtailcore.page",
            ),
        ),
        migrations.CreateModel(
            name="EmailFormField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
                ("sort_order", models.IntegerField(blank=True, editable=False, null=True)),
                ("clean_name", models.CharField(blank=True, default="", max_length=255)),
                ("label", models.CharField(help_text="The label of the form field", max_length=255)),
                ("field_type", models.CharField(max_length=16)),
                ("required", models.BooleanField(default=True)),
                ("choices", models.TextField(blank=True)),
                ("default_value", models.TextField(blank=True)),
                ("help_text", models.CharField(blank=True, max_length=255)),
                (
                    "page",
                    modelcluster.fields.ParentalKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="form_fields",
                        to="built.emailformpage",
                    ),
                ),
            ],
            options={
                "ordering": ["sort_order"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="FormField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
                ("sort_order", models.IntegerField(blank=True, editable=False, null=True)),
                ("clean_name", models.CharField(blank=True, default="", max_length=255)),
                ("label", models.CharField(help_text="The label of the form field", max_length=255)),
                ("field_type", models.CharField(max_length=16)),
                ("required", models.BooleanField(default=True)),
                ("choices", models.TextField(blank=True)),
                ("default_value", models.TextField(blank=True)),
                ("help_text", models.CharField(blank=True, max_length=255)),
                (
                    "page",
                    modelcluster.fields.ParentalKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="form_fields", to="built.formpage"
                    ),
                ),
            ],
            options={
                "ordering": ["sort_order"],
                "abstract": False,
            },
        ),
    ]
