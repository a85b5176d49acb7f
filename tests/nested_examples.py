"""Made-up trainings of a nested estimate: five clusters, predictions that know so much."""

from __future__ import annotations

from functools import cache, partial
from itertools import combinations

import numpy as np
import pytest

from sie.nested import ways
from sie.nested.baselines import BaselineCandidate
from sie.nested.candidates import RECIPE, Candidate
from sie.nested.estimate import Frame, Scores, score
from sie.nested.greedy import GreedyRule, greedy_weights
from sie.nested.mixtures import Mixer
from sie.nested.trainings import Fits
from sie.search.selection import SelectionRule

SIZE, POINTS, EVERY = 14, 6, 2
RULE = SelectionRule(window=4, min_epoch=2)
SKILLS = {"CAMN-V0": 0.1, "CAMN-V1": 0.6, "CAMN-V2": 0.3, "CAMNS-V1": 0.45}


def frame(n_clusters: int = 5) -> Frame:
    """Clusters of equal size, a third of each superionic."""
    ids = [f"e{i:02d}" for i in range(n_clusters * SIZE)]
    validation = {
        "-".join(map(str, chosen)): tuple(e for c in chosen for e in ids[c * SIZE : (c + 1) * SIZE])
        for n in (1, 2)
        for chosen in combinations(range(n_clusters), n)
    }
    return Frame({e: int(i % 3 == 0) for i, e in enumerate(ids)}, validation, EVERY, "hash")


def fits(named, skill: float, of: Frame, points: int = POINTS) -> Fits:
    """Probabilities that are noise but for a share of the truth."""
    rng = np.random.default_rng(int(100 * skill))
    tables = {}
    for key, ids in of.validation.items():
        truth = np.array([of.labels[e] for e in ids])
        noise = rng.random((points, len(ids)))
        tables[key] = ((1 - skill) * noise + skill * truth).astype("f4")
    return Fits(named, 0, np.arange(1, points + 1) * EVERY, tables)


def made_up_fits(of: Frame) -> list[Fits]:
    """Networks of several skills and a forest."""
    networks = [fits(Candidate(view, RECIPE, view), skill, of) for view, skill in SKILLS.items()]
    return [*networks, fits(BaselineCandidate("forest-fractions"), 0.5, of, points=1)]


def mixer(of: Frame | None = None, made: list[Fits] | None = None) -> Mixer:
    """Everything, scored against the labels of a frame."""
    of = of or frame()
    scores: list[Scores] = [score(item, of) for item in made or made_up_fits(of)]
    networks = {
        s.fits.candidate.hash: [s] for s in scores if isinstance(s.fits.candidate, Candidate)
    }
    forest = [s for s in scores if not isinstance(s.fits.candidate, Candidate)]
    return Mixer(networks, forest, of, RULE)


@cache
def with_labels_turned(cluster: int) -> Mixer:
    """The same predictions, scored with the classes of one cluster exchanged."""
    plain = frame()
    members = plain.members(cluster)
    turned = {e: 1 - v if e in members else v for e, v in plain.labels.items()}
    return mixer(Frame(turned, plain.validation, EVERY, "hash"), made_up_fits(plain))


def quick_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer structures again, and pick fewer members."""
    monkeypatch.setattr(ways, "N_RESAMPLES", 20)
    short = partial(greedy_weights, rule=GreedyRule(start=2, steps=4, bags=2, share=0.8))
    monkeypatch.setattr(ways, "greedy_weights", short)
