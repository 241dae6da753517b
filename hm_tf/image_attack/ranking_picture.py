"""The first images of a ranking before and after an attack, as one picture."""

from robust_tf.data.text_lines import shortened
from robust_tf.reports.neighbour_figure import OF_CLASS, Row, neighbour_figure

TARGET = {True: "the image that the attack aims at"}
_NAME_LENGTH = 14  # what fits above a small image


def ranking_picture(title, search, rankings, pixels_of, *, target, top):
    """Returns the figure: one row of images per state, the query first.

    Args:
        title: str.
        search: `GallerySearch`.
        rankings: dict state -> `Ranking`.
        pixels_of: function (state, row of the gallery) -> image in that state, float [h, w, c] in
            [0, 1].
        target: the row that the attack aims at, or None.
        top: how many images of each ranking to show.
    """
    classes = search.same_class(search.query) is not None
    lines = []
    for state, ranking in rankings.items():
        shown = ranking.rows[:top]
        pairs = zip(shown, ranking.distances, strict=False)
        names = [_name(search, row, distance, row == target) for row, distance in pairs]
        right = [search.same_class(row) if classes else row == target or None for row in shown]
        place = (
            "" if target is None else f"\naim: {ranking.place_of(target)} of {len(ranking.rows)}"
        )
        lines.append(
            Row(
                f"query\n{state}{place}",
                pixels_of(state, search.query),
                [pixels_of(state, row) for row in shown],
                names,
                right,
            )
        )
    return neighbour_figure(title, {"": lines}, frames=OF_CLASS if classes else TARGET)


def _name(search, row, distance, is_target):
    short = (shortened(line, _NAME_LENGTH) for line in search.name_of(row).split("/"))
    return "\n".join([*(["AIM"] if is_target else []), *short, f"distance {distance:.3f}"])
