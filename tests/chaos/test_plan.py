"""The plan of a run is drawn from its seed, and says what it has no room for."""

from tests.chaos.catalogue import FAULTS
from tests.chaos.plan import BOTH, MACHINES, PEOPLE, PEOPLE_ALONE, QUIET, left_out, make_phases, make_plan

_MACHINES = {kind: fault for kind, fault in FAULTS.items() if fault.lane != PEOPLE}
_PEOPLE = {kind: fault for kind, fault in FAULTS.items() if fault.lane == PEOPLE}


def test_plan_follows_from_the_seed_and_has_every_kind() -> None:
    plan = make_plan(_MACHINES, 90, 7)
    assert plan == make_plan(_MACHINES, 90, 7)
    assert plan != make_plan(_MACHINES, 90, 8)
    assert {each.kind for lane in plan.lanes.values() for each in lane} == set(_MACHINES)
    assert plan.left_out == []


def test_faults_end_in_time_and_leave_calm_between_them() -> None:
    for planned in make_plan(_MACHINES, 90, 7).lanes.values():
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


def test_run_with_people_has_phases_with_and_without_them() -> None:
    phases = {phase.name: set(phase.plan.lanes) for phase in make_phases(FAULTS, 600, 7)}
    assert phases == {
        QUIET: set(),
        PEOPLE_ALONE: {"people"},
        MACHINES: {"servers", "network"},
        BOTH: {"servers", "network", "people"},
    }
    assert [phase.name for phase in make_phases(_PEOPLE, 60, 7)] == [QUIET, PEOPLE_ALONE]
    assert [phase.name for phase in make_phases(_MACHINES, 60, 7)] == [MACHINES]


def test_what_one_phase_has_no_room_for_comes_first_in_the_next() -> None:
    phases = make_phases(FAULTS, 300, 7)
    assert phases == make_phases(FAULTS, 300, 7)
    assert set(phases[1].plan.left_out) & set(_PEOPLE)
    assert left_out(FAULTS, phases) == []
