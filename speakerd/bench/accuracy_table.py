"""What ``speakerd bench accuracy`` tells: its tables, its lists, and the same for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from speakerd.bench.accuracy_clips import NEAR_LABEL
from speakerd.bench.accuracy_count import CURVE, SWEEP, Count, Judged, Point, Trial, best_within, count, curve, judge

LISTED = 20
"""So many missed and so many falsely accepted clips are printed; the file has all of them (chosen)."""

BEARABLE_PER_H = 0.5
"""What openWakeWord's authors aim at; the table says which threshold stays below it (specified by upstream)."""


@dataclass(frozen=True, slots=True)
class Row:
    """Everything about one signal-to-noise ratio."""

    snr_db: float | None
    """The ratio; None: no noise."""

    judged: tuple[Judged, ...]
    """Every trial at the configured threshold."""

    counted: Count
    """What they come to, without what merely sounds like a wake word."""

    near: Count
    """That alone."""

    pooled: Count
    """All of them together."""

    by_label: dict[str, Count]
    """What is in ``counted`` without a wake word, by its label."""

    sweep: tuple[tuple[float, Count, Count], ...]
    """Other thresholds, with what is counted and what is near there."""

    best: Point | None
    """The threshold that keeps false accepts bearable; None: there is none, or too little was heard to tell."""

    points: tuple[Point, ...]
    """The curve of all of them together."""

    @property
    def name(self) -> str:
        """What the ratio is called."""
        return snr_name(self.snr_db)


def snr_name(snr_db: float | None) -> str:
    """Return what a signal-to-noise ratio is called."""
    return "clean" if snr_db is None else f"{snr_db:g} dB"


def make_row(snr_db: float | None, trials: Sequence[Trial], threshold: float, refractory_s: float) -> Row:
    """Count everything about the trials of one ratio.

    Args:
        snr_db: The ratio.
        trials: Of this ratio alone.
        threshold: The configured one.
        refractory_s: The configured one.
    """
    near = [trial for trial in trials if trial.word is None and trial.label == NEAR_LABEL]
    plain = [trial for trial in trials if trial.word is not None or trial.label != NEAR_LABEL]
    labels = sorted({trial.label for trial in plain if trial.word is None})

    def counted(of: Iterable[Trial], at: float = threshold) -> Count:
        return count(judge(trial, at, refractory_s) for trial in of)

    all_plain = counted(plain)
    tells = all_plain.hours * BEARABLE_PER_H >= 1
    return Row(
        snr_db=snr_db,
        judged=tuple(judge(trial, threshold, refractory_s) for trial in trials),
        counted=all_plain,
        near=counted(near),
        pooled=counted(trials),
        by_label={
            label: counted(trial for trial in plain if trial.word is None and trial.label == label) for label in labels
        },
        sweep=tuple((each, counted(plain, each), counted(near, each)) for each in sorted({*SWEEP, threshold})),
        best=best_within(curve(plain, refractory_s, CURVE), BEARABLE_PER_H) if tells else None,
        points=tuple(curve(trials, refractory_s, {*CURVE, threshold})),
    )


def format_misses(rows: Sequence[Row]) -> str:
    """Return how many wake words were missed, and how late the others were heard."""
    lines = [f"{'wake words':<12}{'clips':>7}{'missed':>8}{'share':>9}   95 % interval   latency: median   90 %"]
    for row in rows:
        counted = row.counted
        if counted.miss_rate is None or counted.miss_range is None:
            lines.append(f"{row.name:<12}{0:>7}{'-':>8}{'-':>9}")
            continue
        late = f"{_ms(counted.late_median_s):>15}{_ms(counted.late_90_s):>10}"
        share = f"{_percent(counted.miss_rate):>9}{_range(counted.miss_range):>16}"
        lines.append(f"{row.name:<12}{counted.positives:>7}{counted.misses:>8}{share}{late}")
    lines.append(
        "latency: from the end of the phrase, which is the clip's last 30 ms within 30 dB of its loudest and 8 dB above"
    )
    lines.append("its own noise, to the end of the 80 ms that were detected; below 0: before the phrase was over")
    untold = sum(row.counted.positives - row.counted.misses - len(row.counted.late_s) for row in rows)
    if untold:
        lines.append(f"without a latency: {untold} detections in clips in which more is said behind the wake word, or")
        lines.append("whose own noise is so loud that nobody can tell where the phrase ends")
    again = sum(row.counted.again for row in rows)
    if again:
        lines.append(f"{again} times a clip with a wake word was heard twice; that counts neither way")
    return "\n".join(lines)


def format_false(rows: Sequence[Row]) -> str:
    """Return how often something else was taken for a wake word."""
    labels = {label for row in rows for label in row.by_label}
    width = max(len(label) for label in {*labels, "label"}) + 3
    lines = [
        f"{'other sounds':<14}{'label':<{width}}{'clips':>6}{'hours':>8}{'false':>7}{'an hour':>10}  at most (95 %)"
    ]
    for row in rows:
        shown = [*row.by_label.items()] + ([("all", row.counted)] if len(row.by_label) != 1 else [])
        lines += [_false_line(row.name, label, counted, width) for label, counted in shown]
    if any(row.near.negatives for row in rows):
        lines.append("")
        lines.append(f"{'near words':<14}{'clips':>9}{'taken':>8}{'share':>9}   95 % interval")
        lines += [_near_line(row.name, row.near) for row in rows]
    return "\n".join(lines)


def _false_line(name: str, label: str, counted: Count, width: int) -> str:
    start = f"{name:<14}{label:<{width}}{counted.negatives:>6}{counted.hours:>8.2f}{counted.false:>7}"
    if counted.false_per_h is None or counted.false_per_h_at_most is None:
        return f"{start}{'-':>10}"
    return f"{start}{counted.false_per_h:>10.1f}{counted.false_per_h_at_most:>16.1f}"


def _near_line(name: str, near: Count) -> str:
    start = f"{name:<14}{near.negatives:>9}{near.taken:>8}"
    if near.taken_rate is None or near.taken_range is None:
        return f"{start}{'-':>9}"
    return f"{start}{_percent(near.taken_rate):>9}{_range(near.taken_range):>16}"


def format_sweep(rows: Sequence[Row], threshold: float) -> str:
    """Return what other thresholds come to, and which one keeps false accepts bearable."""
    near = any(row.near.negatives for row in rows)
    width = 26 if near else 18
    lines = [f"{'threshold':<11}" + "".join(f"{row.name:>{width}}" for row in rows)]
    for number, (each, *_) in enumerate(rows[0].sweep if rows else ()):
        cells = "".join(f"{_cell(*row.sweep[number][1:], with_near=near):>{width}}" for row in rows)
        lines.append(f"{each:<9g}{'<' if each == threshold else ' ':<2}{cells}")
    also = "share of near words taken, " if near else ""
    lines.append(f"share of wake words missed, {also}false accepts an hour; <: the configured threshold")
    for row in rows:
        lines += [f"{row.name}: {_best(row)}"]
    return "\n".join(lines)


def _best(row: Row) -> str:
    start = f"at most {BEARABLE_PER_H:g} false accepts an hour"
    if row.best is not None:
        return f"{start} and the fewest misses, {_percent(row.best.miss_rate)}, at threshold {row.best.threshold:.2f}"
    if row.counted.miss_rate is None or row.counted.hours * BEARABLE_PER_H >= 1:
        return f"no threshold can be shown to give {start}"
    return f"which threshold gives {start} takes {1 / BEARABLE_PER_H:g} hours of other sounds to tell"


def _cell(counted: Count, near: Count, *, with_near: bool) -> str:
    false = "-" if counted.false_per_h is None else f"{counted.false_per_h:.1f}"
    middle = [_percent(near.taken_rate)] if with_near else []
    return ", ".join([_percent(counted.miss_rate), *middle, false])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _range(shares: tuple[float, float]) -> str:
    return f"{100 * shares[0]:.1f} to {100 * shares[1]:.1f} %"


def format_lists(rows: Sequence[Row]) -> str:
    """Return what was missed and what was taken for a wake word, and where, so that somebody can listen to it."""
    missed = [(row.name, each.trial) for row in rows for each in row.judged if each.missed]
    false = [(row.name, each.trial, fire) for row in rows for each in row.judged for fire in each.false]
    lines = [f"missed: {len(missed)}" + _more(len(missed))]
    for name, trial in missed[:LISTED]:
        score, at_s = trial.peak
        lines.append(f"  {name:<7} {score:.3f} at {at_s:6.2f} s, {trial.noise:<8} {trial.name}")
    lines.append(f"false accepts: {len(false)}" + _more(len(false)))
    for name, trial, fire in false[:LISTED]:
        lines.append(f"  {name:<7} {fire.score:.3f} at {fire.at_s:6.2f} s, {trial.noise:<8} {trial.name} ({fire.word})")
    return "\n".join(lines)


def _more(number: int) -> str:
    return f", the first {LISTED} of them; the file has all" if number > LISTED else ""


def _ms(value_s: float | None) -> str:
    return "-" if value_s is None else f"{1000 * value_s:+.0f} ms"


def as_data(rows: Iterable[Row]) -> dict[str, Any]:
    """Return everything for programs, by ratio."""
    return {row.name: _row_data(row) for row in rows}


def _row_data(row: Row) -> dict[str, Any]:
    return {
        **_count_data(row.counted),
        "labels": {label: _count_data(counted) for label, counted in row.by_label.items()},
        "near": _near_data(row.near),
        "thresholds": [
            {"threshold": each, **_count_data(counted), "near": _near_data(near)} for each, counted, near in row.sweep
        ],
        f"best_within_{BEARABLE_PER_H:g}_an_hour": _point_data(row.best) if row.best else None,
        "curve_with_near_words": [_point_data(point) for point in row.points],
        "missed": [_missed_data(each.trial) for each in row.judged if each.missed],
        "false_accepts": [
            {
                "file": each.trial.name,
                "label": each.trial.label,
                "noise": each.trial.noise,
                "word": fire.word,
                "score": round(fire.score, 4),
                "at_s": round(fire.at_s, 3),
            }
            for each in row.judged
            for fire in each.false
        ],
    }


def _near_data(near: Count) -> dict[str, Any]:
    within = [round(share, 5) for share in near.taken_range] if near.taken_range else None
    return {"clips": near.negatives, "taken": near.taken, "rate": _rounded(near.taken_rate), "rate_95": within}


def _missed_data(trial: Trial) -> dict[str, Any]:
    score, at_s = trial.peak
    named = {"file": trial.name, "label": trial.label, "noise": trial.noise}
    return {**named, "best_score": round(score, 4), "at_s": round(at_s, 3)}


def _point_data(point: Point) -> dict[str, float]:
    rates = {"miss_rate": round(point.miss_rate, 5), "false_per_h": round(point.false_per_h, 4)}
    return {"threshold": point.threshold, **rates}


def _count_data(counted: Count) -> dict[str, Any]:
    late_ms = [round(1000 * value) for value in (counted.late_median_s, counted.late_90_s) if value is not None]
    return {
        "positives": counted.positives,
        "misses": counted.misses,
        "miss_rate": _rounded(counted.miss_rate),
        "miss_rate_95": [round(share, 5) for share in counted.miss_range] if counted.miss_range else None,
        "negatives": counted.negatives,
        "hours": round(counted.hours, 4),
        "false": counted.false,
        "false_per_h": _rounded(counted.false_per_h),
        "false_per_h_at_most_95": _rounded(counted.false_per_h_at_most),
        "heard_again": counted.again,
        "latency_ms": {"median": late_ms[0], "p90": late_ms[1], "count": len(counted.late_s)} if late_ms else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
