"""The numbers against published examples."""

import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.evaluation.planning import films_needed, standard_error_of_auc


def needed(**values: float | None) -> dict[str, int]:
    given = {"width": 0.1, "prevalence": 0.5, "sensitivity": None, "specificity": None, "auc": None} | values
    return films_needed(**given).set_index("metric")["films"].to_dict()


def test_the_error_of_an_auc_is_that_of_published_examples():
    # Hanley and McNeil (1982): 51 abnormal and 58 normal films, area 0.893, standard error 0.032
    assert standard_error_of_auc(0.893, 51, 58) == pytest.approx(0.032, abs=0.0006)
    # S. Simon, Sample size for a diagnostic test (2004): 50 of each class, 0.044; 75 of each, 0.036
    assert standard_error_of_auc(0.8, 50, 50) == pytest.approx(0.044, abs=0.0006)
    assert standard_error_of_auc(0.8, 75, 75) == pytest.approx(0.036, abs=0.0006)


def test_films_for_an_auc_give_the_width_that_was_asked_for():
    films = needed(auc=0.8, width=2 * 1.96 * 0.036)["AUC"]
    assert films == pytest.approx(150, abs=3)  # 75 of each class, as above
    assert needed(auc=0.9, prevalence=0.1)["AUC"] > 2 * needed(auc=0.9, prevalence=0.5)["AUC"]


def test_films_for_a_sensitivity_are_buderer_s():
    # 1.96² · 0.9 · 0.1 / 0.05² = 138.3, so 139 sick films; where one in five is sick, 695
    assert needed(sensitivity=0.9, prevalence=0.2)["sensitivity"] == 695
    # 1.96² · 0.85 · 0.15 / 0.05² = 195.9, so 196 healthy films, 245 in all
    assert needed(specificity=0.85, prevalence=0.2)["specificity"] == 245
    # Simon (2004): 50 sick films give 0.75 ± 0.12, 50 healthy ones 0.9 ± 0.083
    assert needed(sensitivity=0.75, width=0.24)["sensitivity"] == pytest.approx(100, abs=2)
    assert needed(specificity=0.9, width=2 * 0.083)["specificity"] == pytest.approx(100, abs=2)


def test_a_sensitivity_near_1_needs_the_films_of_an_exact_interval():
    # Buderer's would be 0.94 to 1.04, for 16 sick films. Without a miss among 35, one knows 0.9 to 1: it takes more
    sick = needed(sensitivity=0.99)["sensitivity"] / 2
    assert 36 < sick < 60
    one_missed = binomtest(round(0.99 * sick), round(sick)).proportion_ci(method="exact")
    assert one_missed.high - one_missed.low == pytest.approx(0.1, abs=0.02)


def test_a_width_that_no_films_give_is_told():
    with pytest.raises(UserError, match=r"--width is 1e-09; no 1,000,000,000 films give that, so it should be larger"):
        needed(auc=0.9, width=1e-9)


def test_films_for_calibration_are_those_of_riley_s_example():
    # Riley et al. (2021), failure of heart valves: 1.8 % of events and an interval of width 1 take 905 patients
    assert needed(prevalence=0.018, width=0.9999999)["observed / expected (calibration)"] == pytest.approx(905, abs=1)


def test_the_command_prints_them_and_tells_what_is_no_share():
    said = CliRunner().invoke(app, ["plan", "--sensitivity", "0.9", "--prevalence", "0.2", "--width", "0.1"])
    assert "sensitivity" in said.stdout
    assert "695" in said.stdout
    mistake = CliRunner().invoke(app, ["plan", "--auc", "0.4"])
    assert mistake.exit_code == 1
    assert "--auc is 0.4; it should be above 0.5 and below 1" in mistake.stderr
    with pytest.raises(UserError, match="--width is 1"):
        needed(width=1.5)
