"""What is written about settings and metrics is what the code has."""

import re
import shutil
import subprocess

import pytest
import yaml

from coedit.runtime.settings import SharedSettings, refuse_unknown
from scripts.reference import ROOT, SERVICES, Setting, env_example, metrics_table, settings_of, with_tables
from tests.requirements import require

WRITE_IT = "run: .venv/bin/python -m scripts.reference"
OWNERS: list[type[SharedSettings]] = [SharedSettings, *SERVICES.values()]
RULES = ["alerts", "targets"]
SETTINGS = [setting for owner in OWNERS for setting in settings_of(owner)]


def test_the_example_of_settings_is_up_to_date() -> None:
    assert (ROOT / ".env.example").read_text() == env_example(), WRITE_IT


def test_the_tables_of_the_operations_page_are_up_to_date() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    assert page == with_tables(page), WRITE_IT


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_setting_has_a_meaning(setting: Setting) -> None:
    assert setting.meaning, f"write a docstring below {setting.variable}'s field"


@pytest.mark.parametrize("service", SERVICES)
def test_services_accept_the_example_with_every_line_in_force(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = re.findall(r"^(?:# )?(COEDIT_[A-Z_]+)=(.*)$", env_example(), re.MULTILINE)
    environment = dict(lines) | {"COEDIT_SECRET": "only-for-this-test-0123"}
    assert len(environment) == len(SETTINGS)
    refuse_unknown(SERVICES[service], service, environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = SERVICES[service]()
    defaults = {
        name: field.default for name, field in SERVICES[service].model_fields.items() if name != "secret"
    }
    assert settings.model_dump(exclude={"secret"}) == defaults


@pytest.mark.parametrize("name", RULES)
def test_alerts_speak_of_metrics_that_exist(name: str) -> None:
    known = set(re.findall(r"`(coedit_\w+)`", metrics_table()))
    text = (ROOT / f"deploy/prometheus/{name}.yml").read_text()
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"\bcoedit_[a-z_]+\b(?!\()", rule["expr"])}
    # What Prometheus makes of a histogram.
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked if not name.endswith("_")}
    assert len(rules) >= 5
    assert asked <= known, asked - known


@pytest.mark.parametrize("name", RULES)
def test_alerts_fire_when_they_should(name: str) -> None:
    require("promtool", shutil.which("promtool") is not None, "apt-get install prometheus")
    command = ["promtool", "test", "rules", str(ROOT / f"deploy/prometheus/{name}_test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
