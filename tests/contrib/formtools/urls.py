from __future__ import annotations

from django.urls import path

from . import views

named = views.NamedWizard.as_view(url_name="named-step")
fussy = views.NamedFussyWizard.as_view(url_name="fussy-step")

urlpatterns = [
    path("wizard/", views.Wizard.as_view()),
    path("cookie/", views.CookieWizard.as_view()),
    path("named/<str:step>/", named, name="named-step"),
    path("mapped/", views.MappedWizard.as_view()),
    path("many/", views.ManyKindsWizard.as_view()),
    path("fussy/", views.FussyWizard.as_view()),
    path("named-fussy/<str:step>/", fussy, name="fussy-step"),
    path("saving/", views.SavingWizard.as_view()),
    path("broken/", views.BrokenWizard.as_view()),
]
