"""Builds the wheel, installs it elsewhere, and looks whether everything that belongs to it is there.

Run by ``tox -e package`` as ``python -m tests.package``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

INSIDE = """
import importlib.metadata, importlib.resources, sys
from pathlib import Path
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.messages", "django.contrib.sessions", "django_octanist"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="package",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    MIDDLEWARE=["django_octanist.middleware.OctanistMiddleware"],
)
django.setup()
import django_octanist
from django.core.management import call_command
from django.template.loader import get_template
from django_octanist.sandbox.server import Sandbox

root = Path(django_octanist.__file__).parent
assert "site-packages" in root.parts, root
assert importlib.metadata.version("django-octanist") == django_octanist.__version__
for name in ["py.typed", "migrations/0001_initial.py", "migrations/0002_admin.py",
             *(f"static/octanist/{sheet}.css" for sheet in ["admin", "lead", "acting", "overview"]),
             *(f"locale/{language}/LC_MESSAGES/django.mo" for language in ["nl", "de", "fr"])]:
    assert (root / name).is_file(), name
get_template("admin/octanist/lead/change_list.html")
get_template("admin/octanist/lead/change_form.html")
get_template("admin/octanist/overview.html")
call_command("migrate", verbosity=0)
call_command("makemigrations", "octanist", check=True, dry_run=True, verbosity=0)
with Sandbox() as sandbox:
    import requests
    for url in [sandbox.url, sandbox.pixel_url]:
        assert requests.get(url, timeout=10).ok, url
required = [line for line in importlib.metadata.requires("django-octanist") if "extra" not in line]
# urllib3 is there with requests anyway: only its oldest release is said.
assert {line.split(">")[0] for line in required} == {"django", "requests", "urllib3"}, required
print("django-octanist", django_octanist.__version__, "installed from its wheel: 1 passed, 0 failed")
"""


def run(*command: str | Path) -> None:
    """Run ``command`` outside the repository; end with its exit code where it fails."""
    done = subprocess.run([str(part) for part in command], cwd=tempfile.gettempdir(), check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        built, elsewhere = Path(folder) / "dist", Path(folder) / "venv"
        run(sys.executable, "-m", "build", "--outdir", built, ROOT)
        run(sys.executable, "-m", "venv", elsewhere)
        python = elsewhere / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        (wheel,) = built.glob("*.whl")
        run(python, "-m", "pip", "install", "--quiet", wheel)
        run(python, "-c", INSIDE)


if __name__ == "__main__":
    main()
