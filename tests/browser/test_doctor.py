"""The doctor's page in a browser."""

from playwright.sync_api import expect

from .test_inbox_safe import axe
from .test_inbox_safe import complaints
from .test_inbox_safe import looks
from .test_inbox_safe import small_targets

__all__ = ["axe"]

DOCTOR = "/accounts/1/settings/doctor"
PHONE = {"width": 390, "height": 844}
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def test_the_doctor_is_asked_without_javascript_on_a_phone(window):
    ada = window("ada", "/accounts/1/labels", java_script_enabled=False, viewport=PHONE)
    settings = ada.get_by_role("navigation", name="Settings")
    settings.get_by_role("link", name="Doctor").click()
    expect(ada.get_by_text("Database: fine.")).to_have_count(0)
    ada.get_by_role("button", name="Check now").click()
    expect(ada.get_by_role("heading", name="It works, with warnings")).to_be_visible()
    expect(ada.get_by_text("Migrations: fine.")).to_be_visible()
    expect(ada.get_by_text("Set RTAPP_URL to the address that browsers open")).to_be_visible()
    assert not ada.evaluate(WIDER)
    ada.get_by_role("button", name="Check again").click()
    expect(ada.get_by_text("Migrations: fine.")).to_be_visible()


@looks
def test_axe_finds_nothing_serious_on_the_doctors_page(window, axe, options):
    ada = window("ada", DOCTOR, reduced_motion="reduce", **options)
    assert complaints(ada, axe) == []
    ada.get_by_role("button", name="Check now").click()
    expect(ada.get_by_role("button", name="Check again")).to_be_visible()
    assert complaints(ada, axe) == []
    assert small_targets(ada) == []


def test_an_agent_has_no_link_to_the_doctor(window):
    kevin = window("kevin", "/accounts/1/labels")
    settings = kevin.get_by_role("navigation", name="Settings")
    expect(settings.get_by_role("link", name="Labels")).to_be_visible()
    expect(settings.get_by_role("link", name="Doctor")).to_have_count(0)
    kevin.goto(DOCTOR)
    expect(kevin.get_by_text("Only an administrator of the account may")).to_be_visible()
