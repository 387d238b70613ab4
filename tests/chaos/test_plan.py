"""The plan of a run is drawn from its seed, and says what it has no room for."""

from tests.chaos.catalogue import FAULTS
from tests.chaos.plan import make_plan


def test_plan_follows_from_the_seed_and_has_every_kind() -> None:
    plan = make_plan(FAULTS, 90, 7)
    assert plan == make_plan(FAULTS, 90, 7)
    assert plan != make_plan(FAULTS, 90, 8)
    assert {each.kind for lane in plan.lanes.values() for each in lane} == set(FAULTS)
    assert plan.left_out == []


def test_faults_end_in_time_and_leave_calm_between_them() -> None:
    for planned in make_plan(FAULTS, 90, 7).lanes.values():
        assert all(each.calm_seconds > 0 for each in planned)
        assert (
            80
            < sum(each.calm_seconds + each.seconds + FAULTS[each.kind].takes_seconds for each in planned)
            <= 90
        )


def test_plan_says_what_it_has_no_room_for() -> None:
    plan = make_plan(FAULTS, 10, 7)
    covered = {each.kind for lane in plan.lanes.values() for each in lane}
    assert plan.left_out
    assert covered | set(plan.left_out) == set(FAULTS)
