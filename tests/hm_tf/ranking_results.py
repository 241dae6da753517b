"""Records of the ranking attacks, made up, for the tests of what reads them."""

from made_results import BALL, made

from hm_tf.evaluation.robustness_score import COLUMNS, score

# Of table 5, HM[S,gLGA]&ICS with eta = 8, as printed.
PRINTED = dict(
    zip(
        [column.name for column in COLUMNS],
        (12.9, 40.9, 14.7, 33.7, 0.806, 0.487, 17.1, 13.2, 26.3, 2.3),
        strict=True,
    )
)


def result(attack, metric, value, *, n=5924, settings=None, **changed):
    """One `Result` of HM[S,gLGA]&ICS on CUB."""
    about = {"dataset": "cub200", "method": "HM[S,gLGA]&ICS", "model": "resnet18"}
    about["threat_model"] = {**BALL, "eps": 8 / 255} if settings else {}
    facts = {"metric": metric, "n": n, "attack_settings": settings or {}}
    return made(attack, value, **{**about, **facts, **changed})


def clean(n=5924, recall=0.372, **changed):
    """R@1, R@2, mAP and NMI of the row."""
    values = {"R@1": recall, "R@2": 0.478, "mAP": 0.214, "MAP@10": 0.2, "NMI": 0.484}
    return [result("clean", m, value, n=n, **changed) for m, value in values.items()]


def attacked(printed=PRINTED, *, mode="compat", strength="protocol", collapsed=False, **changed):
    """The ten columns and ERS of a row."""
    settings = {"steps": 32, "step_size": 3 / 255, "restarts": 1} | {
        "mode": mode,
        "strength": strength,
    }
    found = [
        result(
            c.attack,
            c.measure,
            printed[c.name] / (100 if c.percent else 1),
            settings=settings,
            **changed,
        )
        for c in COLUMNS
        if c.name in printed
    ]
    if len(printed) == len(COLUMNS):
        ers = {**settings, "collapsed": collapsed}
        found.append(result("ERS", "ERS", score(printed) / 100, settings=ers, **changed))
    return found
