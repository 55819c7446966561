"""The pictures' geometry."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from django_octanist.admin import charts
from django_octanist.admin.charts import Chart

from .made_up import day, month

BAR = re.compile(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-([\d.]+)z")


def bars(chart: Chart, name: str) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of what is drawn for ``name``, from left to right."""
    drawn = next((path.d for path in chart.paths if path.name == name), "")
    assert BAR.sub("", drawn) == ""
    return [tuple(map(float, found[:4])) for found in BAR.findall(drawn)]  # type: ignore[misc]


def heights(chart: Chart, name: str) -> list[float]:
    """How far above the bottom each point of a line is."""
    drawn = next(path.d for path in chart.paths if path.name == name)
    return [100 - float(y) for _x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn)]


class TestLeads:
    def test_a_bar_stands_in_its_days_slot_and_is_as_tall_as_its_share_of_the_scale(self) -> None:
        chart = charts.leads(month({29: day(29, delivered=30), 0: day(0, delivered=40)}))
        first, last = bars(chart, "delivered")
        assert first == (1.2, 25, 7.6, 75)
        assert last == (291.2, 0, 7.6, 100)
        assert chart.ticks == (40, 20, 0)
        assert chart.grid == "M0 0H300M0 50H300M0 100H300"
        assert chart.box == "0 0 300 100"

    def test_outcomes_stand_on_each_other_without_a_gap(self) -> None:
        chart = charts.leads([day(0, delivered=10, rejected=4, failed=6)])
        assert [path.name for path in chart.paths] == ["delivered", "rejected", "failed"]
        (low,), (middle,), (high,) = (bars(chart, path.name) for path in chart.paths)
        assert low[1] + low[3] == 100
        assert middle[1] + middle[3] == low[1]
        assert high[1] + high[3] == middle[1]
        assert (low[3], middle[3], high[3]) == (50, 20, 30)

    def test_one_failure_among_a_thousand_is_seen(self) -> None:
        chart = charts.leads([day(0, delivered=999, failed=1)])
        (delivered,), (failed,) = bars(chart, "delivered"), bars(chart, "failed")
        assert failed[3] == charts.LEAST
        assert delivered[3] + failed[3] == 100

    def test_small_parts_of_a_small_day_are_seen_too(self) -> None:
        chart = charts.leads([day(1, delivered=1000), day(0, delivered=1, failed=1)])
        assert [bars(chart, name)[-1][3] for name in ("delivered", "failed")] == [charts.LEAST, charts.LEAST]

    def test_a_queue_behind_a_pause_does_not_flatten_the_month(self) -> None:
        days = month({0: day(0, pending=3000, failed=1)}, delivered=70)
        chart = charts.leads(days)
        assert chart.ticks == (160, 80, 0)
        assert chart.cut == (days[-1],)
        assert bars(chart, "delivered")[0][3] == 43.75
        assert bars(chart, "pending")[0][3] + bars(chart, "failed")[0][3] == 100
        assert [path.d for path in chart.paths if path.name == charts.CUT] == ["M290 17L300 11"]

    def test_a_good_month_is_not_cut(self) -> None:
        chart = charts.leads(month({5: day(5, delivered=300)}, delivered=70))
        assert (chart.ticks, chart.cut) == ((300, 150, 0), ())

    @pytest.mark.parametrize(
        ("most", "top"),
        [(1, 2), (3, 4), (10, 10), (11, 12), (118, 120), (161, 200), (1_000, 1_000), (1_001, 1_200), (98_765, 100_000)],
    )
    def test_the_scale_ends_at_a_round_number_with_a_whole_half(self, most: int, top: int) -> None:
        assert charts.leads([day(0, delivered=most)]).ticks == (top, top / 2, 0)
        assert top / 2 % 1 == 0

    def test_each_day_has_its_strip(self) -> None:
        days = month(delivered=1)
        strips = charts.leads(days).slots
        assert [strip.day for strip in strips] == list(days)
        assert (strips[0].x, strips[1].x, strips[29].x, strips[0].width) == ("0", "10", "290", "10")

    @pytest.mark.parametrize("days", [(), month()])
    def test_nothing_to_see(self, days: tuple[charts.Day, ...]) -> None:
        chart = charts.leads(days)
        assert chart.paths == ()
        assert chart.ticks == ()


class TestLatency:
    def test_each_step_of_the_scale_is_equally_tall(self) -> None:
        chart = charts.latency([day(2, 0.1, 1.0), day(1, 1.0, 60.0), day(0, 10.0, 600.0)])
        assert chart.ticks == (600, 60, 10, 1, 0.1)
        assert heights(chart, "median") == [0, 25, 50]
        assert heights(chart, "p95") == [25, 75, 100]

    def test_within_a_step_it_is_a_logs(self) -> None:
        chart = charts.latency([day(0, 1.0, 10.0), day(1, 10**0.5, 10.0)])
        assert heights(chart, "median") == [0, 50]

    def test_a_line_breaks_off_where_nothing_was_delivered(self) -> None:
        days = [day(3, 1.0, 10.0), day(2, 1.0, 10.0), day(1), day(0, 1.0, 10.0)]
        drawn = {path.name: path.d for path in charts.latency(days).paths}
        assert drawn["median"] == "M37.5 100L112.5 100M262.5 100"
        assert drawn["median-dots"] == "M37.5 100h0M112.5 100h0M262.5 100h0"

    @pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.5, 60.0, 1e9])
    def test_whatever_it_took_is_within_the_picture(self, seconds: float) -> None:
        chart = charts.latency([day(0, seconds, seconds)])
        assert len(chart.ticks) >= 2
        assert 0 <= heights(chart, "median")[0] <= 100

    def test_nothing_to_see(self) -> None:
        assert charts.latency(month()).paths == ()


def test_coordinates_are_written_for_svg_in_every_language() -> None:
    with translation.override("de"):
        assert charts.leads(month(delivered=3, failed=1)).paths[0].d.startswith("M1.2 ")
