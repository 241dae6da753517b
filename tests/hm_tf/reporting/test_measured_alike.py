"""Scores stand side by side only where attacker, precision, draws, queries and gallery agree."""

import dataclasses

import pytest
from ranking_results import PRINTED, attacked, clean, result

from hm_tf.evaluation.evaluation_conditions import conditions_of_record
from hm_tf.evaluation.recorded_scores import paper_row, radii, score_falls, score_rows
from hm_tf.options import TRAIN
from hm_tf.reporting import report_sections
from hm_tf.reporting.claim import claim
from hm_tf.reporting.comparability import measuring_differences
from hm_tf.reporting.paper_comparison import reported_runs
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.reports.table import filled

WIDE = {"threat_model": {"eps": 77 / 255, "norm": "linf", "lower": 0.0, "upper": 1.0}}
PUBLISHED = {"dataset": "cub200", "eps": "8/255", "norm": "linf"}
PUBLISHED |= {"eval_steps": "32", "eval_step_size": "3/255"}


def low(change, **changed):
    """Ten columns whose score is `change` below 33.5."""
    return attacked({**PRINTED, "ES:R": PRINTED["ES:R"] - 10 * change}, **changed)


def changed(results, settings, drop=()):
    """The same records with other settings."""
    for found in results:
        kept = {k: v for k, v in found.attack_settings.items() if k not in drop}
        yield dataclasses.replace(found, attack_settings={**kept, **settings})


def worst_case(value, n, **changed):
    settings = {**attacked()[0].attack_settings, "over": ["ES", "LTM"]}
    return result("worst case", "R@1", value, n=n, settings=settings, **changed)


def runs(*measured):
    """A run, with the same hash of its weights, of each list of records."""
    lists = [[*clean(n=500, recall=0.9), *found] for found in measured]
    recorded = [RecordedRun(f"run{i}", found, {}) for i, found in enumerate(lists)]
    return reported_runs(recorded, TRAIN)


class Tables:
    """A page that keeps its tables only."""

    def __init__(self):
        self.tables = []

    def table(self, header, lines, caption=""):
        self.tables.append((header, lines))

    def ignored(self, *anything):
        """What a page shows besides."""

    section = paragraph = code = ignored


def tables_of(*measured):
    page = Tables()
    report_sections.add_ranking_attacks(page, runs(*measured))
    return page.tables


def test_the_key_of_an_evaluation():
    on = conditions_of_record(attacked(n=60)[0])
    assert (on.threat_model.eps, on.threat_model.norm, on.n, on.gallery) == (
        8 / 255,
        "linf",
        60,
        60,
    )
    assert (on.precision, on.seed, on.protocol) == ("float32", 0, "32 steps of 3/255")
    (strong, *_) = changed(attacked(), {"steps": 96, "beside": "32 steps of 3/255"}, ["step_size"])
    assert conditions_of_record(strong).protocol == "32 steps of 3/255"
    (unknown, *_) = changed(attacked(), {}, ["step_size"])
    assert conditions_of_record(unknown).protocol == ""


def test_the_claim_is_of_one_threat_model():
    narrow = [*low(0, n=500), worst_case(0.6, 500)]
    wide = [*low(1, n=500, mode="fixed", **WIDE), worst_case(0.1, 500, **WIDE)]
    said = claim(runs([*wide, *narrow]))
    assert "8/255 (L-infinity" in said and "77/255" not in said
    assert "from 90.0 % to 60.0 %" in said and "ERS 33.5" in said and "32.5" not in said
    # Measured last, the wider ball is that of the whole claim.
    said = claim(runs([*narrow, *wide, *low(2, n=500, **WIDE)]))
    assert "at most 77/255" in said and "from 90.0 % to 10.0 %" in said
    assert "ERS 31.5" in said and "33.5" not in said


def test_a_threat_model_has_rows_of_its_own_and_a_column_where_it_differs():
    both = [*low(0, n=500), *low(2, n=500, **WIDE)]
    rows = score_rows(both)
    assert filled(radii(rows), rows) == (("eps",), [("8/255",), ("77/255",)])
    assert paper_row(rows).on.threat_model.eps == 77 / 255
    assert radii(rows[:1]) == []
    again = score_rows([*low(0, n=60), *low(2, n=500, **WIDE), *low(0, n=500)])
    assert paper_row(again).on.threat_model.eps == 8 / 255
    ((header, lines),) = tables_of(both)
    assert header[:5] == ("run", "mode", "strength", "eps", "n")
    assert [(line[3], line[-1]) for line in lines] == [("8/255", "33.5"), ("77/255", "31.5")]
    assert "eps" not in tables_of(low(0, n=500))[0][0]
    # Of two runs in two balls the table says which is which, too.
    assert "eps" in tables_of(low(0, n=500), low(2, n=500, **WIDE))[0][0]


OTHER = {
    "eps": WIDE,
    "seed": {"seed": 3},
    "precision": {"precision": "mixed_bfloat16"},
    "n": {"n": 80},
    "mode": {"mode": "fixed"},
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_a_fall_is_between_rows_of_the_same(other):
    strong = low(2, n=60, strength="strong")
    same, unlike = low(1, n=60), low(0, **{"n": 60, **other})
    for measured in ([*same, *unlike, *strong], [*unlike, *same, *strong]):
        (fall,) = score_falls(score_rows(measured), measured)
        assert fall.before.values["ERS"] == pytest.approx(32.455)
        assert fall.change == pytest.approx(-1)
    measured = [*unlike, *strong]
    assert score_falls(score_rows(measured), measured) == []
    assert len(tables_of(measured)) == 1 and len(tables_of([*same, *strong])) == 2


SETTINGS = {"gallery": {"gallery": 500}, "protocol": {"beside": "32 steps of 1/255"}}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_fall_is_within_one_gallery_and_from_the_protocol_beside_it(settings):
    strong = list(changed(low(2, n=60, strength="strong"), settings))
    measured = [*low(0, n=60), *strong]
    assert score_falls(score_rows(measured), measured) == []


def test_a_fall_needs_two_scores_that_mean_something():
    strong = low(2, n=60, strength="strong")
    for before in (attacked({"ES:R": 3.0}, n=60), low(0, n=60, collapsed=True)):
        measured = [*before, *strong]
        assert score_falls(score_rows(measured), measured) == []


def test_the_headline_sets_stronger_attacks_beside_the_protocol_of_their_queries():
    fixed = [*low(1, n=60, mode="fixed"), *low(3, n=60, mode="fixed", strength="worst")]
    said = claim(runs([*low(0, n=500), *fixed]))
    assert (
        "ERS 33.5 of 100 (compat, protocol, 500 queries); of the same 60 queries 32.5 by the "
        "protocol, 30.5 under stronger attacks (fixed, worst); its columns below"
    ) in said
    assert "at the lowest" not in said
    said = claim(runs([*low(0, n=500), *low(3, n=500, strength="strong")]))
    assert (
        "(compat, protocol, 500 queries), of the same queries 30.5 under stronger attacks "
        "(compat, strong); its columns"
    ) in said
    # What is lower still is not left out, nor what it was measured on.
    said = claim(runs([*low(0, n=500), *low(4, n=500, mode="fixed"), *fixed]))
    assert "(fixed, worst); 29.5 at the lowest (fixed, protocol, 500 queries); its" in said
    # Attacks that the query withstands better are no fall.
    said = claim(runs([*low(0, n=500), *low(-1, n=500, strength="strong")]))
    assert "protocol, 500 queries); its columns below" in said


def test_runs_are_ranked_only_where_they_were_measured_on_the_same():
    first, second = low(2, n=500), low(0, n=500)
    said = claim(runs(first, second))
    assert "of 2 runs the one with the highest score" in said and "ERS 33.5" in said
    for other in (low(0, n=300), low(0, n=500, mode="fixed"), low(0, n=500, **WIDE)):
        said = claim(runs(first, other))
        assert "one of 2 runs whose scores are of unlike attacks or queries" in said
        assert "ERS 31.5" in said and "highest" not in said
    said = claim(runs([], low(0, n=500)))
    assert "highest" in said and "ERS 33.5" in said
    assert "the first of 2 runs) on" in claim(runs([], []))


def test_an_attack_that_finds_nothing_lowers_nothing():
    said = claim(runs([worst_case(0.92, 500)]))
    assert "leaves R@1 of 500 queries at 92.0 %, after 90.0 % clean, in the worst case" in said
    assert "lowers" not in said


def test_another_ball_is_a_difference_from_the_paper():
    (row,) = score_rows(attacked(threat_model={**WIDE["threat_model"], "norm": "l2"}))
    said = measuring_differences(row, 5924, PUBLISHED)
    assert said == ["attack norm l2, not linf", "attack eps 77/255, not 8/255"]


def test_another_precision_is_a_difference_from_the_paper():
    (row,) = score_rows(attacked(precision="mixed_bfloat16"))
    said = measuring_differences(row, 5924, PUBLISHED)
    assert said == ["precision mixed_bfloat16, not float32"]
    (row,) = score_rows(attacked())
    assert measuring_differences(row, 5924, PUBLISHED) == []
