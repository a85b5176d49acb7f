"""What a training aims at: smoothed labels, and how much each structure counts in the loss.

NumPy only; the loss itself is part of the compiled programs.
"""

from __future__ import annotations

import numpy as np

from sie.models.config import TrialConfig


def loss_terms(config: TrialConfig, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and weights of structures, float32, shape (n,) each.

    With smoothing s a label y becomes y (1 - s) + s/2 (C. Szegedy et al., CVPR 2016, section 7).
    Balanced classes weigh n / (2 n_class), so that both have the same share and the mean weight
    is 1; where there is one class only, everything weighs 1.

    Parameters
    ----------
    config : TrialConfig
        Gives label_smoothing and class_weight.
    labels : numpy.ndarray
        Float32, shape (n,): 0 or 1, of the training part.
    """
    smoothing = np.float32(config.label_smoothing)
    targets = labels * (1 - smoothing) + smoothing / 2
    weights = np.ones_like(labels)
    positive = labels > 0.5
    if config.class_weight == "balanced" and 0 < positive.sum() < len(labels):
        counts = np.where(positive, positive.sum(), (~positive).sum())
        weights = (len(labels) / (2 * counts)).astype(np.float32)
    return targets.astype(np.float32), weights
