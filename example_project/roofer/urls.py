from __future__ import annotations

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from . import views

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("contact/", views.ContactView.as_view(), name="contact"),
    path("quote/", views.QuoteView.as_view(), name="quote"),
    path("storm-damage/", views.StormDamageView.as_view(), name="storm-damage"),
    path("open-day/", views.open_day, name="open-day"),
    path("call-back/", views.call_back, name="call-back"),
    path("newsletter/", views.newsletter, name="newsletter"),
    path("thanks/<slug:form>/", views.ThanksView.as_view(), name="thanks"),
    path("privacy/", views.PrivacyView.as_view(), name="privacy"),
    # The pixel from the site itself, where blockers of third-party scripts let it be.
    path("oct/", include("django_octanist.proxy.urls")),
    path("favicon.ico", RedirectView.as_view(url=static("roofer/mark.svg"))),
    path("admin/", admin.site.urls),
]
