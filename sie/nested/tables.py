"""Tables of a nested estimate: what was chosen, what it is worth, the gap to the optimistic number.

From scores that are there; files are written by `sie.cli.nested`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sie.evaluation.bootstrap import resamples
from sie.models.config import TrialConfig
from sie.nested.candidates import Candidate
from sie.nested.estimate import SCORED, Choice, Frame, Scores, choose
from sie.search.selection import SelectionRule
from sie.training.metrics import binary_metrics

WAYS = ("nested", "optimistic")
N_RESAMPLES = 1000


def choices_table(
    candidates: Mapping[str, Sequence[Scores]], frame: Frame, rule: SelectionRule, seeds: str
) -> pd.DataFrame:
    """Return what each way chooses for every outer cluster, with intervals over structures.

    Parameters
    ----------
    candidates : Mapping
        Of `by_candidate`.
    frame : Frame
        Clusters and labels.
    rule : SelectionRule
        How epochs are chosen.
    seeds : str
        What the column seeds says.

    Returns
    -------
    pandas.DataFrame
        One row a way and cluster; low and high are the 95 % interval of AUC-PR over structures of
        the cluster drawn again, with what was chosen kept; draws without a positive are left out.
    """
    rows = []
    for way in WAYS:
        for cluster in frame.clusters:
            choice = choose(candidates, cluster, rule, frame.every, way == "optimistic")
            of_seeds = candidates[choice.name]
            drawn = redrawn(choice, of_seeds, frame)
            classes = frame.classes(cluster)
            epochs = of_seeds[0].fits.epochs
            rows.append(
                {
                    "seeds": seeds,
                    "way": way,
                    "cluster": cluster,
                    "entries": len(classes),
                    "positives": int(classes.sum()),
                    "candidate": of_seeds[0].fits.candidate.name,
                    "view": getattr(of_seeds[0].fits.candidate, "view", ""),
                    "first_epoch": int(epochs[choice.first]),
                    "last_epoch": int(epochs[choice.last]),
                    "validation": choice.validation,
                    **choice.scores,
                    "low": float(np.nanpercentile(drawn, 2.5)),
                    "high": float(np.nanpercentile(drawn, 97.5)),
                    "drawn": drawn,
                }
            )
    return pd.DataFrame(rows)


def redrawn(choice: Choice, of_seeds: Sequence[Scores], frame: Frame) -> np.ndarray:
    """Return the AUC-PR of a choice on structures of its cluster drawn again, (N_RESAMPLES,).

    NaN where no positive was drawn.
    """
    classes = frame.classes(choice.cluster)
    tables = [s.fits.probabilities[str(choice.cluster)] for s in of_seeds]
    predictions = np.concatenate([t[choice.first : choice.last + 1] for t in tables])
    draws = resamples(len(classes), N_RESAMPLES, seed=choice.cluster)
    return np.array(
        [
            np.mean([binary_metrics(classes[draw], p[draw])["auc_pr"] for p in predictions])
            if classes[draw].any()
            else np.nan
            for draw in draws
        ]
    )


def summary_row(table: pd.DataFrame, way: str, n_candidates: int) -> dict[str, object]:
    """Return the mean over clusters of one way, with the interval over structures.

    A draw that leaves some cluster without a positive has no mean, and is left out.
    """
    own = table[table["way"] == way]
    drawn = np.mean(np.stack(list(own["drawn"])), axis=0)
    return {
        "way": way,
        "seeds": own["seeds"].iloc[0],
        "candidates": n_candidates,
        "clusters": len(own),
        **{name: own[name].mean() for name in SCORED},
        "low": float(np.nanpercentile(drawn, 2.5)),
        "high": float(np.nanpercentile(drawn, 97.5)),
        "sd_clusters": own["auc_pr"].std(ddof=1),
    }


def candidates_table(
    candidates: Mapping[str, Sequence[Scores]], frame: Frame, rule: SelectionRule
) -> pd.DataFrame:
    """Return every candidate with its own honest score: only its epoch is chosen, inside.

    Columns: name, view, n_seeds, the hyperparameters that mean something, inner (mean over outer
    clusters of what a choice would see), the scores outside, sd_seeds of AUC-PR, and optimistic
    (epoch chosen outside).
    """
    rows = []
    for name, of_seeds in candidates.items():
        candidate = of_seeds[0].fits.candidate
        params = candidate.config.as_params() if isinstance(candidate, Candidate) else {}
        nested = [choose({name: of_seeds}, c, rule, frame.every) for c in frame.clusters]
        single = [
            np.mean(
                [choose({name: [s]}, c, rule, frame.every).scores["auc_pr"] for c in frame.clusters]
            )
            for s in of_seeds
        ]
        best = [choose({name: of_seeds}, c, rule, frame.every, True) for c in frame.clusters]
        rows.append(
            {
                "name": candidate.name,
                "hash": candidate.hash,
                "view": getattr(candidate, "view", ""),
                "n_seeds": len(of_seeds),
                "inner": np.mean([choice.validation for choice in nested]),
                **{key: np.mean([c.scores[key] for c in nested]) for key in SCORED},
                "sd_seeds": np.std(single, ddof=1) if len(single) > 1 else np.nan,
                "optimistic": np.mean([c.scores["auc_pr"] for c in best]),
                **params,
            }
        )
    return pd.DataFrame(rows).sort_values("inner", ascending=False, ignore_index=True)


def parameters_of(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table of candidates that are hyperparameters, the view first.

    Each once: the view is a field of a configuration too.
    """
    names = ("view", *TrialConfig.__dataclass_fields__)
    return [name for name in dict.fromkeys(names) if name in table]
