"""Whole searches without any training: as a report holds them, and recorded in a real store.

What they find is known: AUC-PR rises with the learning rate and with nothing else.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from recorded_searches import RULE, peak
from search_examples import SPACE, make_plan, make_result

from sie.models.config import TrialConfig
from sie.reporting.search_report.artifacts import parse_entries
from sie.reporting.search_report.record import ClusterSearch, Study, SystemScore
from sie.search.record import EndedTrial, Phase, PhaseTime, SearchOutcome, TimeUse, TrialTask
from sie.search.recording import SearchRecord
from sie.search.selection import judge_repeats, result_objective
from sie.splits.archive import save_hold_out, save_splits
from sie.splits.record import Clustering, HoldOut, Split
from sie.tracking.queries import StoredRun
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

EXPERIMENT = "loco/d/CAMN-V1"
FLOOR = 0.4
RATES = (1e-3, 3e-3, 5e-3)
EVIL = "</script><script>alert('x')</script>"
ENTRIES = tuple(f"e{i:02d}" for i in range(30))


def clustering(embedding=True) -> Clustering:
    labels = np.arange(30) % 3
    plane = np.random.default_rng(0).normal(size=(30, 2)) + 5 * labels[:, None]
    return Clustering(ENTRIES, labels, plane if embedding else None, {"kind": "elmd-umap-dbscan"})


def split(cluster) -> Split:
    inside = [
        e for e, number in zip(ENTRIES, clustering().labels, strict=True) if number == cluster
    ]
    train = tuple(e for e in ENTRIES if e not in inside)
    return Split(f"loco-{cluster}", train, tuple(inside), {"kind": "loco", "cluster": cluster})


def plan_of(cluster, **changes):
    given = {"cluster": cluster, "split_hash": split(cluster).hash, **changes}
    return dataclasses.replace(make_plan(trials=24, top=2, repeats=3), **given)


def trials(cluster, n=24):
    """Trials whose objective is 0.5 + 0.1 x the number of the rate, one failed, one diverged."""
    rng = np.random.default_rng(cluster)
    ended = []
    for i in range(n):
        rate = int(rng.integers(3))
        config = TrialConfig(
            max_lr=RATES[rate],
            dropout_phi=round(float(rng.uniform(0, 0.5)), 3),
            n_layers=int(rng.integers(2, 4)),
        )
        height = 0.5 + 0.1 * rate + 0.002 * float(rng.normal())
        status = TrialStatus.COMPLETED if rate else TrialStatus.STOPPED_BY_SCHEDULER
        result = make_result(peak(35, height, 80 if rate else 40), status)
        if i == 1:
            result = make_result([], TrialStatus.FAILED, f"out of memory {EVIL}")
        if i == 2:
            result = make_result(peak(5, 0.3, 12), TrialStatus.DIVERGED, "loss is NaN")
        task = TrialTask(f"trial-{i:04d}", Phase.SEARCH, i, config, seed=i)
        ended.append(EndedTrial(task, result, result_objective(result, RULE)))
    return ended


def repeated(searched, repeats):
    """The two best configurations with the results of their repeats."""
    best = sorted(searched, key=lambda t: -t.objective)[: 2 if repeats else 0]
    return [
        (
            chosen.task.config,
            [make_result(peak(40, 0.66 - 0.05 * rank + 0.01 * r)) for r in range(repeats)],
        )
        for rank, chosen in enumerate(best)
    ]


def made_search(cluster=0, *, repeats=3, artifacts=True, n=24, **changes) -> ClusterSearch:
    """A search as it is read back, made without a store."""
    plan = plan_of(cluster)
    searched = trials(cluster, n)
    judged = [judge_repeats(*pair, RULE) for pair in repeated(searched, repeats)]
    plain = plan.as_dict()
    params = {k: str(v) for k, v in plain.items() if not isinstance(v, dict)}
    for group in ("budget", "rule"):
        params |= {f"{group}.{k}": str(v) for k, v in plain[group].items()}
    tags = {
        "phase": "cluster-search", "search_name": "search", "cluster": str(cluster),
        "plan_hash": plan.hash, "split_hash": plan.split_hash, "code_hash": "f00",
        "code_version": "0.1.0+abc1234-dirty", "packages": EVIL,
    }  # fmt: skip
    metrics = {"positive_fraction": FLOOR, "wall_seconds": 121.0, "workers": 2.0}
    parent = StoredRun(f"run{cluster}", "", f"cluster-{cluster}/search", "FINISHED", params, tags,
                       metrics)  # fmt: skip
    held = {
        "space": SPACE,
        "split": split(cluster),
        "clustering": clustering(),
        "entries": parse_entries(entries_csv()),
        "documents": {
            "dataset": {"entries": 33, "positive": 12, "disordered": 5},
            "hold_out": {"method": {"kind": "official"}},
        },
        "others": (
            SystemScore("forest", "baseline", (0.6, 0.62), (0.2, 0.3)),
            SystemScore(f"mean {EVIL}", "control", (FLOOR,), (0.0,)),
        ),
    }
    search = ClusterSearch(parent, EXPERIMENT, tuple(searched), tuple(judged))
    return dataclasses.replace(search, **{**(held if artifacts else {}), **changes})


def made_study(clusters=(0, 1), **given) -> Study:
    return Study(EXPERIMENT, tuple(made_search(cluster, **given) for cluster in clusters))


def write_search(
    store, folder, cluster=0, *, name="search", repeats=3, n=24, finish=True, artifacts=True, **plan
):
    """Record a search; return the id of its parent run."""
    planned = plan_of(cluster, **plan)
    recorder = Recorder(store, EXPERIMENT)
    record = SearchRecord(recorder, planned, name, folder, fresh=True)
    searched, judged = trials(cluster, n), []
    ended = list(searched)
    for rank, (config, results) in enumerate(repeated(searched, repeats)):
        judged.append(judge_repeats(config, results, RULE))
        for r, result in enumerate(results):
            key = f"repeat-{config.hash[:8]}-{r:02d}"
            task = TrialTask(key, Phase.REPEAT, r * 2 + rank, config, r)
            ended.append(EndedTrial(task, result, 0.0))
    for trial in ended:
        record.trial_started(trial.task)
        record.trial_ended(trial)
    record.flush()
    if artifacts:
        _artifacts(recorder, record.parent, cluster)
    phase = PhaseTime(60.0, 50.0, 1.0)
    use = TimeUse(1.0, 121.0, phase, phase, 0.0, 2)
    outcome = SearchOutcome(
        record.parent, tuple(searched), (), (), tuple(judged), judged[0] if judged else None,
        not finish, use,
    )  # fmt: skip
    record.close(outcome, FLOOR)
    return record.parent


def entries_csv() -> str:
    lines = [
        f"{entry},Li{i + 1}PS4,{-3.0 - i / 10 if i else ''},{int(i % 3 == 0)}"
        for i, entry in enumerate(ENTRIES)
    ]
    return "\n".join(["id,formula,log10_sigma,label", *lines])


def _artifacts(recorder, run_id, cluster):
    recorder.save_json(run_id, SPACE.as_dict(), "space.json")
    recorder.save_json(run_id, {"entries": 33, "positive": 12, "disordered": 5}, "dataset.json")
    recorder.save_json(run_id, {"split": {"same_formula": 0}}, "leakage.json")
    recorder.save_text(run_id, entries_csv(), "entries.csv")
    with tempfile.TemporaryDirectory() as folder:
        save_splits(Path(folder) / "splits.json", [split(cluster)], clustering(), "e")
        held = HoldOut(ENTRIES, ("t1", "t2", "t3"), {"kind": "official"})
        save_hold_out(Path(folder) / "hold_out.json", held)
        for file in Path(folder).iterdir():
            recorder.save_file(run_id, file)
