"""The simulation meets every limit that it models; what it says of a herd can then be believed."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.herd.limits import Limits
from tests.bench.herd.picture import draw
from tests.bench.herd.simulation import HORIZON, NAMESPACES, SECRETS, Herd, Outcome, run

PODS = 60


def herd(*, pods: int = PODS, window: float = 1.0, regions: int = 2, warm: int | None = None, **limits: int) -> Outcome:
    return run(Herd(pods=pods, window=window, regions=regions, warm=warm, limits=Limits(**limits)))


def test_a_herd_within_the_limits_asks_once_for_each_secret() -> None:
    outcome = herd(warm=PODS)
    assert len(outcome.completed) == PODS
    assert outcome.asked == PODS * len(SECRETS)
    assert sum(outcome.refused.values()) == 0


def test_the_same_herd_has_the_same_outcome() -> None:
    assert herd(environments=5) == herd(environments=5)


def test_another_seed_has_another() -> None:
    assert run(Herd(pods=PODS, seed=1)).completed != run(Herd(pods=PODS, seed=2)).completed


def test_an_environment_asks_kms_once_for_each_namespace() -> None:
    outcome = herd(warm=3, regions=1)
    assert outcome.environments == 3
    assert outcome.kms_calls == 3 * NAMESPACES


def test_environments_are_not_more_than_allowed_and_who_is_refused_comes_again() -> None:
    outcome = herd(regions=1, environments=2)
    assert outcome.environments == 2
    assert outcome.asked > PODS * len(SECRETS)
    assert len(outcome.completed) == PODS


def test_the_other_region_takes_what_the_first_cannot() -> None:
    one, two = (herd(regions=count, environments=20, window=0.1) for count in (1, 2))
    assert max(two.waited) < max(one.waited)


def test_an_item_that_is_read_too_often_refuses_and_its_readers_come_again() -> None:
    outcome = herd(warm=PODS, regions=1, read_units_per_item=20)
    assert outcome.refused["item reads"] > 0
    assert len(outcome.completed) == PODS


def test_records_that_the_stream_refuses_take_the_buffer() -> None:
    outcome = herd(warm=PODS, regions=1, records_per_shard=1)
    assert outcome.refused["PutRecord"] > 0
    assert outcome.buffered > 0
    assert len(outcome.completed) == PODS


def test_a_gateway_that_throttles_is_left_alone_for_as_long_as_it_says() -> None:
    outcome = herd(warm=PODS, regions=1, gateway_calls=10, gateway_burst=10)
    assert outcome.asked > PODS * len(SECRETS)
    assert len(outcome.completed) == PODS
    assert max(outcome.waited) > 1


@pytest.mark.parametrize("limits", [{"read_units_per_item": 0}, {"kms_calls": 0}, {"environments": 0}])
def test_a_limit_of_nothing_lets_nobody_start(limits: dict[str, int]) -> None:
    outcome = herd(pods=10, regions=1, **limits)
    assert outcome.completed == []
    assert max(began for began, _, _ in outcome.attempts) < HORIZON


def test_the_picture_has_a_panel_for_each_herd_and_is_the_same_each_time(tmp_path: Path) -> None:
    outcomes = {"first": herd(warm=PODS), "second": herd(regions=1, environments=2)}
    for name in ("one.svg", "two.svg"):
        draw(outcomes, tmp_path / name)
    drawn = (tmp_path / "one.svg").read_bytes()
    assert drawn == (tmp_path / "two.svg").read_bytes()
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.text]  # noqa: S314  # our own
    assert [text for text in texts if text in outcomes] == list(outcomes)
