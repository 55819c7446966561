from __future__ import annotations

from django.contrib import admin

from .models import QuoteRequest, StormReport

admin.site.site_header = "Ridgeline Roofing"
admin.site.site_title = "Ridgeline Roofing"


@admin.register(QuoteRequest)
class QuoteRequestAdmin(admin.ModelAdmin):
    list_display = ["full_name", "roof_type", "area", "preferred_date", "phone", "created_at"]
    list_filter = ["roof_type", "created_at"]
    search_fields = ["full_name", "email", "phone", "message"]
    date_hierarchy = "created_at"
    readonly_fields = ["created_at"]


@admin.register(StormReport)
class StormReportAdmin(admin.ModelAdmin):
    list_display = ["address", "damage", "name", "phone", "created_at"]
    list_filter = ["damage", "created_at"]
    search_fields = ["address", "name", "email", "phone", "message"]
    date_hierarchy = "created_at"
    readonly_fields = ["created_at"]
