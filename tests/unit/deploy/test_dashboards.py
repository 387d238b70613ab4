"""The dashboards of deploy/grafana speak of what there is. Whether there is data is seen with a real Prometheus."""

import json
import re
from typing import Any

import pytest
import yaml

from scripts.reference import ROOT, metrics_table

FILES = sorted((ROOT / "deploy/grafana").glob("*.json"))
_RECORDED = "deploy/prometheus/targets.yml"
_MADE_OF_HISTOGRAMS = re.compile(r"_(bucket|count|sum)$")


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = dashboard["panels"]
    return panels


def recorded() -> set[str]:
    groups = yaml.safe_load((ROOT / _RECORDED).read_text())["groups"]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def test_there_is_one_for_each_question() -> None:
    assert [file.stem for file in FILES] == ["clients", "keystroke", "overview", "redis", "shards"]
    loaded = [json.loads(file.read_text()) for file in FILES]
    assert len({dashboard["uid"] for dashboard in loaded}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_ask_for_metrics_that_exist_of_the_chosen_prometheus(file: Any) -> None:
    dashboard = json.loads(file.read_text())
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    known = set(re.findall(r"`(coedit_\w+)`", metrics_table()))
    for panel in panels_of(dashboard):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            asked = set(re.findall(r"\bcoedit_\w+", target["expr"]))
            assert {_MADE_OF_HISTOGRAMS.sub("", name) for name in asked} <= known, target["expr"]
            assert set(re.findall(r"\bcoedit:[\w:]+", target["expr"])) <= recorded(), target["expr"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_lie_beside_each_other(file: Any) -> None:
    taken: dict[tuple[int, int], int] = {}
    panels = panels_of(json.loads(file.read_text()))
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["id"]) == panel["id"]
