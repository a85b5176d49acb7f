import numpy as np
import pandas as pd
import pytest

from sie.comparison.tables import mean_interval
from sie.study.transfer import WARM, paired_differences


def test_differences_are_paired_by_split_and_seed():
    rng = np.random.default_rng(1)
    cold = rng.uniform(size=(3, 4))
    gain = rng.normal(0.1, 0.05, size=(3, 4))
    rows = [
        {"system": name, "split": f"f{i}", "seed": s, "auc_pr": v[i, s], "mcc": 0.0}
        for name, v in (("CAMN-V0", cold), ("CAMN-V0" + WARM, cold + gain))
        for i in range(3)
        for s in range(4)
    ]
    shuffled = pd.DataFrame(rows).sample(frac=1, random_state=0)
    found = paired_differences(shuffled).set_index("score").loc["auc_pr"]
    assert found["mean"] == pytest.approx(gain.mean())
    assert (found["low"], found["high"]) == pytest.approx(mean_interval(gain.mean(axis=1)))
    assert found["sd_seeds"] == pytest.approx(gain.mean(axis=0).std(ddof=1))
    assert (found["n_splits"], found["n_seeds"]) == (3, 4)
