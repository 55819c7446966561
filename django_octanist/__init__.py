"""Every form of a Django site becomes a lead in Octanist.

Install the app::

    INSTALLED_APPS = [..., "django_octanist"]
    MIDDLEWARE = [..., "django_octanist.middleware.OctanistMiddleware"]
    OCTANIST_API_KEY = "..."

Put the mixin on a form, and the other on its view::

    from django_octanist.forms import OctanistFormMixin
    from django_octanist.views import OctanistFormViewMixin

    class ContactForm(OctanistFormMixin, forms.Form): ...
    class ContactView(OctanistFormViewMixin, FormView): ...

or call the front door that every way in goes through::

    from django_octanist.capture import capture_lead

    capture_lead({"email": "..."}, request=request, form="newsletter")

The lead is a row of the site's own database from then on (:class:`django_octanist.models.Lead`); it is
delivered after the commit, and Django's admin shows what became of it.
"""

__version__ = "0.1.0"
