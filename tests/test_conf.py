from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import override_settings

from django_octanist.conf import SETTINGS, Conf, PixelSetup, conf, is_loopback, key_setting
from django_octanist.exceptions import OctanistConfigurationError, OctanistError

SECRET = "sk-MARKER-7f3a"

DEFAULTS: dict[str, tuple[str, Any]] = {
    "OCTANIST_API_URL": ("api_url", "https://octanist.com/api"),
    "OCTANIST_ENABLED": ("enabled", True),
    "OCTANIST_DISPATCH": ("dispatch", "thread"),
    "OCTANIST_CONCURRENCY": ("concurrency", 8),
    "OCTANIST_BATCH_SIZE": ("batch_size", 100),
    "OCTANIST_TIMEOUT": ("timeout", 10.0),
    "OCTANIST_MAX_ATTEMPTS": ("max_attempts", 20),
    "OCTANIST_WHEN_UNCERTAIN": ("when_uncertain", "look_up"),
    "OCTANIST_DEDUPE_SECONDS": ("dedupe_seconds", 60),
    "OCTANIST_ALERT_EMAILS": ("alert_emails", []),
    "OCTANIST_REQUIRE_CONSENT": ("require_consent", False),
    "OCTANIST_PIXEL_ID": ("pixel", None),
    "OCTANIST_PIXEL_URL": ("pixel_url", "https://c.octani.st/p"),
    "OCTANIST_TRUSTED_PROXIES": ("trusted_proxies", ()),
    "OCTANIST_EVENTS_PER_MINUTE": ("events_per_minute", 120),
}

# Setting, attribute, value as a site writes it, value as the app uses it.
GOOD: list[tuple[str, str, Any, Any]] = [
    ("OCTANIST_API_URL", "api_url", "https://octanist.com/api/", "https://octanist.com/api"),
    ("OCTANIST_API_URL", "api_url", "  https://octanist.com/api \n", "https://octanist.com/api"),
    ("OCTANIST_API_URL", "api_url", "https://octanist.com:8443/api", "https://octanist.com:8443/api"),
    ("OCTANIST_API_URL", "api_url", "http://127.0.0.1:8765/api", "http://127.0.0.1:8765/api"),
    ("OCTANIST_API_URL", "api_url", "http://[::1]:8765/api", "http://[::1]:8765/api"),
    ("OCTANIST_API_URL", "api_url", "http://localhost/api", "http://localhost/api"),
    ("OCTANIST_API_URL", "api_url", "http://octanist.localhost/api", "http://octanist.localhost/api"),
    ("OCTANIST_DISPATCH", "dispatch", "inline", "inline"),
    ("OCTANIST_DISPATCH", "dispatch", "site.jobs.deliver", "site.jobs.deliver"),
    ("OCTANIST_TIMEOUT", "timeout", 3, 3.0),
    ("OCTANIST_TIMEOUT", "timeout", 0.5, 0.5),
    ("OCTANIST_TIMEOUT", "timeout", 300, 300.0),
    ("OCTANIST_CONCURRENCY", "concurrency", 1, 1),
    ("OCTANIST_DEDUPE_SECONDS", "dedupe_seconds", 0, 0),
    ("OCTANIST_WHEN_UNCERTAIN", "when_uncertain", "hold", "hold"),
    ("OCTANIST_ALERT_EMAILS", "alert_emails", ("ops@example.com",), ["ops@example.com"]),
    ("OCTANIST_PIXEL_ID", "pixel", "", None),
    ("OCTANIST_PIXEL_ID", "pixel", " OCT-1A2B3C4D ", PixelSetup("OCT-1A2B3C4D", False, "auto")),
    ("OCTANIST_PIXEL_ID", "pixel", "OCTA1.OCT-1A2B3C4D.s.a", PixelSetup("OCT-1A2B3C4D", False, "auto")),
    ("OCTANIST_PIXEL_ID", "pixel", "OCTA1.OCT-1A2B3C4D.c.g", PixelSetup("OCT-1A2B3C4D", True, "granted")),
    ("OCTANIST_PIXEL_ID", "pixel", "OCTA1.OCT-1A2B3C4D.s.d", PixelSetup("OCT-1A2B3C4D", False, "denied")),
    ("OCTANIST_TRUSTED_PROXIES", "trusted_proxies", ["10.0.0.1"], (ip_network("10.0.0.1/32"),)),
    (
        "OCTANIST_TRUSTED_PROXIES",
        "trusted_proxies",
        ("10.1.2.3/8", "::1"),
        (ip_network("10.0.0.0/8"), ip_network("::1")),
    ),
    ("OCTANIST_TRUSTED_PROXIES", "trusted_proxies", ["unix"], ("unix",)),
]

BAD: list[tuple[str, Any]] = [
    *(("OCTANIST_API_KEY", value) for value in (None, 5, b"key", ["key"], "two words", "naïve", "key\x00", "a\nb")),
    *(("OCTANIST_API_KEYS", value) for value in (None, "key", ["key"], {1: "key"}, {"": "key"}, {"a": 5})),
    *(("OCTANIST_API_KEYS", value) for value in ({"a": None}, {"a": "two words"}, {"default": "key"})),
    *(("OCTANIST_API_URL", value) for value in (None, 5, b"https://octanist.com", "", "octanist.com/api", "https://")),
    *(("OCTANIST_API_URL", value) for value in ("http://octanist.com/api", "ftp://octanist.com", "//octanist.com")),
    *(("OCTANIST_API_URL", value) for value in ("https://octanist.com/?a=1", "https://octanist.com/#a")),
    *(("OCTANIST_API_URL", value) for value in ("https://jo@octanist.com/api", "https://octanist.com:99999/api")),
    *(("OCTANIST_API_URL", value) for value in ("https://octanist.com:https/api", "https://[::1/api")),
    *(("OCTANIST_API_URL", value) for value in ("https://octa nist.com/api", "http://127.0.0.1.example.com/")),
    *(("OCTANIST_API_URL", value) for value in ("http://localhost.example.com", "http://0.0.0.0/api")),
    *(("OCTANIST_ENABLED", value) for value in (None, 0, 1, "True", "False", "")),
    *(
        ("OCTANIST_DISPATCH", value)
        for value in (None, "", "threads", "site jobs", "site.", ".jobs", ["thread"], print)
    ),
    *(("OCTANIST_CONCURRENCY", value) for value in (None, 0, -1, True, 1.5, "8")),
    *(("OCTANIST_BATCH_SIZE", value) for value in (None, 0, False, "100")),
    *(("OCTANIST_TIMEOUT", value) for value in (None, 0, -1, True, "10", 301, float("nan"), float("inf"))),
    *(("OCTANIST_MAX_ATTEMPTS", value) for value in (None, 0, "20", 2.0)),
    *(("OCTANIST_WHEN_UNCERTAIN", value) for value in (None, "", "lookup", True, ["hold"], {})),
    *(("OCTANIST_DEDUPE_SECONDS", value) for value in (None, -1, True, "60", 0.5)),
    *(("OCTANIST_ALERT_EMAILS", value) for value in (None, "", "ops@example.com", ["ops"], [5], {"a@b": 1}, True)),
    *(("OCTANIST_REQUIRE_CONSENT", value) for value in (None, 1, "yes")),
    *(("OCTANIST_PIXEL_ID", value) for value in (None, 5, "OCT-1a2b3c4d", "OCT-1A2B3C4", "OCT-1A2B3C4D5")),
    *(("OCTANIST_PIXEL_ID", value) for value in ("OCTA1.OCT-1A2B3C4D.s", "OCTA1.OCT-1A2B3C4D.x.a")),
    *(("OCTANIST_PIXEL_ID", value) for value in ("OCTA2.OCT-1A2B3C4D.s.a", "OCT-1A2B3C4D\nOCT-1A2B3C4D")),
    *(("OCTANIST_PIXEL_URL", value) for value in (None, "", "http://c.octani.st/p", "/p", "javascript:alert(1)")),
    *(
        ("OCTANIST_TRUSTED_PROXIES", value)
        for value in (None, "10.0.0.1", [5], ["nginx"], ["10.0.0.0/33"], ["*"], [""])
    ),
    *(("OCTANIST_EVENTS_PER_MINUTE", value) for value in (None, 0, "120", True)),
    *(("OCTANIST_PIXEL_CONSENT_MODE", value) for value in (None, "", "Auto", "yes", True, ["auto"])),
]


def shown(value: Any) -> str:
    return f"{value!r:.40}"


@pytest.mark.parametrize(("name", "attribute", "default"), [(name, *rest) for name, rest in DEFAULTS.items()])
def test_defaults(settings: Any, name: str, attribute: str, default: Any) -> None:
    if hasattr(settings, name):
        delattr(settings, name)
    assert getattr(conf, attribute) == default


def test_without_any_setting_there_is_no_key_and_one_account(settings: Any) -> None:
    del settings.OCTANIST_API_KEY
    assert conf.api_key("default") == ""
    assert conf.accounts == ["default"]


@pytest.mark.parametrize(("name", "attribute", "value", "used"), GOOD, ids=shown)
def test_good_values(name: str, attribute: str, value: Any, used: Any) -> None:
    with override_settings(**{name: value}):
        assert getattr(conf, attribute) == used


@pytest.mark.parametrize(("name", "value"), BAD, ids=shown)
def test_bad_values_say_which_setting_and_what_it_must_be(name: str, value: Any) -> None:
    with override_settings(**{name: value}), pytest.raises(OctanistConfigurationError) as caught:
        SETTINGS[name].read()
    said = str(caught.value)
    wanted = said.removeprefix(f"{name} must be ").partition(", not ")[0]
    assert said.startswith(f"{name} must be ")
    assert wanted.startswith(("a ", "an ", "one of ", "without ", "True or False"))
    assert said.endswith(".")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("name", "value"), BAD, ids=shown)
def test_bad_values_are_shown_unless_they_are_secret(name: str, value: Any) -> None:
    with override_settings(**{name: value}), pytest.raises(OctanistConfigurationError) as caught:
        SETTINGS[name].read()
    shown = f", not {value!r:.200}".replace("//jo@", "//…@")
    # That there is no key, or nobody to alert, is no secret.
    is_none = value is None and name in ("OCTANIST_API_KEY", "OCTANIST_ALERT_EMAILS")
    is_hidden = SETTINGS[name].secret and not is_none
    assert (shown in str(caught.value)) is not is_hidden


def test_credentials_in_a_url_are_not_shown() -> None:
    url = override_settings(OCTANIST_API_URL="https://jo:s3cret@octanist.com/api")
    with url, pytest.raises(OctanistConfigurationError, match="an https URL") as caught:
        SETTINGS["OCTANIST_API_URL"].read()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OCTANIST_API_KEY", f"{SECRET} with a space"),
        ("OCTANIST_API_KEY", [SECRET]),
        ("OCTANIST_API_KEYS", {"default": SECRET}),
        ("OCTANIST_API_KEYS", {"a": f"{SECRET} b"}),
        ("OCTANIST_API_KEYS", [SECRET]),
        ("OCTANIST_ALERT_EMAILS", f"{SECRET}@example.com"),
    ],
)
def test_secret_values_are_never_shown(name: str, value: Any) -> None:
    with override_settings(**{name: value}), pytest.raises(OctanistConfigurationError) as caught:
        SETTINGS[name].read()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__context__)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{SECRET}@example.com", "a value of type str."),
        (None, "None (is the environment variable set?)."),
        ({f"{SECRET}@example.com": 1}, "a value of type dict."),
        ([f"{SECRET}@example.com", SECRET], "one with text without an @ at index 1."),
        ((5,), "one with a value of type int at index 0."),
    ],
    ids=shown,
)
def test_whom_to_alert_says_what_it_got_by_its_type(value: Any, said: str) -> None:
    settings = override_settings(OCTANIST_ALERT_EMAILS=value)
    with (
        settings,
        pytest.raises(OctanistConfigurationError, match=r'such as \["ops@example\.com"\], or "admins"') as caught,
    ):
        SETTINGS["OCTANIST_ALERT_EMAILS"].read()
    assert str(caught.value).endswith(f", not {said}")
    assert SECRET not in str(caught.value)


def test_a_network_that_is_no_list_is_told_from_one_that_is() -> None:
    settings = override_settings(OCTANIST_TRUSTED_PROXIES="10.0.0.0/8")
    with settings, pytest.raises(OctanistConfigurationError, match=r'such as \["10\.0\.0\.0/8"\], or \["unix"\] for'):
        SETTINGS["OCTANIST_TRUSTED_PROXIES"].read()


def test_a_long_value_is_shown_in_part() -> None:
    with override_settings(OCTANIST_ENABLED="x" * 5000), pytest.raises(OctanistConfigurationError) as caught:
        _ = conf.enabled
    assert len(str(caught.value)) < 300


def test_a_bad_key_in_the_dict_is_named_as_such() -> None:
    with override_settings(OCTANIST_API_KEYS={"shop": 5}), pytest.raises(OctanistConfigurationError, match="dict"):
        _ = conf.accounts


def test_configuration_errors_are_no_octanist_errors() -> None:
    assert not issubclass(OctanistConfigurationError, OctanistError)


def test_settings_are_read_live() -> None:
    before = conf.timeout
    with override_settings(OCTANIST_TIMEOUT=before + 1):
        assert conf.timeout == before + 1
    assert conf.timeout == before


def test_nothing_is_written_back_to_the_settings(settings: Any) -> None:
    del settings.OCTANIST_API_URL
    assert conf.api_url
    assert not hasattr(settings, "OCTANIST_API_URL")


def test_accounts_and_their_keys() -> None:
    with override_settings(OCTANIST_API_KEY=" one ", OCTANIST_API_KEYS={"shop": "two", "later": ""}):
        assert conf.accounts == ["default", "shop", "later"]
        assert [conf.api_key(account) for account in ("default", "shop", "later", "unknown")] == ["one", "two", "", ""]


def test_alerts_go_to_the_admins_of_every_django() -> None:
    with override_settings(
        OCTANIST_ALERT_EMAILS="admins", ADMINS=["a@example.com", ("B", "b@example.com")], MANAGERS=[]
    ):
        assert conf.alert_emails == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("code", "mode", "used"),
    [
        ("OCT-1A2B3C4D", "denied", "denied"),
        ("OCTA1.OCT-1A2B3C4D.s.g", "auto", "auto"),
        ("OCTA1.OCT-1A2B3C4D.s.g", None, "granted"),
    ],
)
def test_a_consent_mode_that_is_set_beats_the_setup_code(settings: Any, code: str, mode: str | None, used: str) -> None:
    settings.OCTANIST_PIXEL_ID = code
    if mode is not None:
        settings.OCTANIST_PIXEL_CONSENT_MODE = mode
    assert conf.pixel is not None
    assert conf.pixel.consent_mode == used


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("octanist.com", False),
        ("notlocalhost", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_table_of_settings_is_complete_and_explained() -> None:
    declared = [value.name for value in vars(Conf).values() if hasattr(value, "meaning")]
    assert list(SETTINGS) == declared
    assert all(setting.meaning.endswith((".", "`")) for setting in SETTINGS.values())
    assert {name for name, setting in SETTINGS.items() if setting.secret} == {
        "OCTANIST_API_KEY",
        "OCTANIST_API_KEYS",
        "OCTANIST_ALERT_EMAILS",
    }


def test_where_a_key_stands() -> None:
    assert key_setting("default") == "OCTANIST_API_KEY"
    assert key_setting("shop") == 'OCTANIST_API_KEYS["shop"]'
