"""The plan of a training: every field has a range, every mistake is named with what was expected."""

from pathlib import Path

import pytest

from titanflow.errors import InputError, SettingsError
from titanflow.settings import shown
from titanflow.settings.names import allowed_values, field_of, setting_names
from titanflow.training.config import Plan, TrainingConfig, load_plan
from titanflow.training.trainers import TRAINERS, trainer_class

REPOSITORY = Path(__file__).resolve().parents[3]


def plan_of(tmp_path: Path, text: str, kind: str = "lightgbm", **flags: object) -> Plan:
    path = tmp_path / "train.toml"
    path.write_text(text)
    return load_plan(kind, path, {name.replace("__", "."): value for name, value in flags.items()})


def test_every_field_says_what_it_means_and_what_it_may_be() -> None:
    for name in setting_names(TrainingConfig):
        assert field_of(name, TrainingConfig).description, name
        assert allowed_values(name, TrainingConfig), name


@pytest.mark.parametrize("kind", TRAINERS)
def test_the_defaults_of_every_kind_are_within_its_ranges_and_its_fields_are_explained(kind: str) -> None:
    (settings,) = load_plan(kind).candidates
    assert type(settings).model_validate(settings.model_dump()) == settings
    assert all(field.description for field in type(settings).model_fields.values())
    assert trainer_class(kind).kind == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[label]\nhorizon_bars = 0", r"label.horizon_bars = 0 \(from .*train.toml\): expected a whole number from 1"),
        ("[label]\nhorizon = 3", r"label.horizon \(from .*\): nothing has this name; did you mean label.horizon_bars"),
        ("[data]\nfirst = 'soon'", r"data.first = 'soon' .*expected a moment such as 2019"),
        ("[data]\nfirst = 2019-02-02\nlast = 2019-02-01", "data.first .* is not before data.last"),
        ("[decision]\nbuy_quantile = 0.1\nsell_quantile = 0.2", "decision.sell_quantile 0.2 is not below"),
        ("[model.lightgbm]\nleaves = 1", r"model.lightgbm.leaves = 1 .*expected a whole number from 2 to 255"),
        ("[model.lightgbm]\nleave = 1", r"model.lightgbm.leave .*did you mean model.lightgbm.leaves"),
        ("[model.lightgb]\nleaves = 7", "model.lightgb .*did you mean model.lightgbm"),
        ("[search.lightgbm]\nleaves = 7", "search.lightgbm = .*expected lists of values to try"),
        ("[search.lightgbm]\nleafs = [7]", "search.lightgbm.leafs .*did you mean search.lightgbm.leaves"),
        ("[search.lightgbm]\nseeds = [1]", "search.lightgbm.seeds .*nothing has this name"),
        ("label = 3", r"label = 3 \(from .*expected a section \[label\]"),
        ("[label", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        plan_of(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        plan_of(tmp_path, "[label]\nprofit = -1\nstop = 0", resources__workers=0)
    told = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in told] == ["label.profit", "label.stop", "resources.workers"]
    assert "(from flag)" in told[2]


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[resources]\nworkers = 3\nthreads = 2", resources__workers=1, resources__dask=None)
    assert (plan.config.resources.workers, plan.config.resources.threads) == (1, 2)


def test_every_combination_of_a_search_is_tried(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[model.lightgbm]\ntrees = 9\n[search.lightgbm]\nleaves = [3, 5]\nl2 = [0.0, 1.0, 2.0]")
    tried = [(settings.leaves, settings.l2) for settings in plan.candidates]  # type: ignore[attr-defined]
    assert tried == [(3, 0.0), (3, 1.0), (3, 2.0), (5, 0.0), (5, 1.0), (5, 2.0)]
    assert {settings.trees for settings in plan.candidates} == {9}  # type: ignore[attr-defined]


def test_a_search_without_end_is_refused(tmp_path: Path) -> None:
    values = list(range(2, 102))
    with pytest.raises(SettingsError, match="asks for 10,000 combinations; at most 256"):
        plan_of(tmp_path, f"[search.lightgbm]\nleaves = {values}\ntrees = {values}")


def test_a_section_of_another_kind_is_left_to_that_kind(tmp_path: Path) -> None:
    text = "[model.lstm]\nhidden = 8\n[model.lightgbm]\nleaves = 4"
    assert plan_of(tmp_path, text).candidates[0].leaves == 4  # type: ignore[attr-defined]
    assert plan_of(tmp_path, text, "lstm").candidates[0].hidden == 8  # type: ignore[attr-defined]


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="'forest'; expected one of lightgbm, lstm, tft, stack, ppo"):
        load_plan("forest")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere.toml: cannot be read"):
        load_plan("lightgbm", tmp_path / "nowhere.toml")


def test_the_documentation_lists_every_setting_as_it_is() -> None:
    sections = [(TrainingConfig, ""), *((trainer_class(kind).Settings, f"model.{kind}.") for kind in TRAINERS)]
    rows = []
    for model, prefix in sections:
        for name in setting_names(model):
            field = field_of(name, model)
            default = shown(field.get_default(call_default_factory=True))
            rows.append(f"| `{prefix}{name}` | {default} | {allowed_values(name, model)} | {field.description} |")
    lines = (REPOSITORY / "docs" / "training_settings.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == rows
