"""The picture of a ranking: names that can be told apart, frames that the legend explains."""

import types

import numpy as np

from hm_tf.image_attack.ranking_picture import ranking_picture


def test_long_names_are_cut_in_the_middle():
    """Names of files begin alike, and end in the number that tells them apart."""
    search = types.SimpleNamespace(
        query=0,
        same_class=lambda row: row < 2,
        name_of=lambda row: f"cat/holiday_2019_0000{row}.jpg",
    )
    ranking = types.SimpleNamespace(rows=[1, 2], distances=[0.25, 0.5])
    figure = ranking_picture(
        "title",
        search,
        {"before": ranking},
        lambda state, row: np.zeros((4, 4, 3)),
        target=None,
        top=2,
    )
    axes = [axis for part in figure.subfigs for axis in part.axes]
    assert axes[1].get_title() == "cat\nholiday…001.jpg\ndistance 0.250"
    (legend,) = figure.legends
    frames = [text.get_text() for text in legend.get_texts()]
    assert frames == ["of the query's class", "of another class"]
    assert "holiday…002.jpg distance 0.500" in figure.get_label()
