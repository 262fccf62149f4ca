"""Every setting has a flag with the same meaning, and nothing else has."""

from __future__ import annotations

from click.testing import CliRunner

from reconciler.__main__ import main
from reconciler.settings import Settings


def test_every_setting_has_a_flag_and_every_flag_a_setting():
    flags = {parameter.name for parameter in main.params} - {"version", "help"}
    assert flags == {name.removesuffix("_ms") for name in Settings.__struct_fields__}


def test_every_flag_says_what_it_is_for():
    for parameter in main.params:
        assert parameter.help or parameter.name in {"log_level", "log_format"}, parameter.name


def test_a_duration_that_is_none_is_a_usage_error_that_names_the_flag():
    done = CliRunner().invoke(main, ["--default-interval", "soon"])
    assert done.exit_code == 2
    assert "--default-interval" in done.output
    assert "soon" in done.output


def test_durations_of_the_election_that_contradict_each_other_are_a_usage_error():
    done = CliRunner().invoke(main, ["--leader-election-lease-duration", "5s"])
    assert done.exit_code == 2
    assert "--leader-election-lease-duration must be longer than --leader-election-renew-deadline" in done.output
