"""When a curve has stopped climbing.

A pure rule on recorded values; who acts on it lives elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` epochs in a row without a gain of more than `min_gain`.

    Attributes
    ----------
    metric : str
        Curve that is watched; higher is better.
    patience : int
        Epochs without a gain that end a trial.
    min_gain : float
        A value counts as a gain when it beats the best so far by more than this.
    start_epoch : int
        Epochs that are not looked at; the value after them is the first best.

    Source: McHaffie et al. 2025 (100 epochs, 0.001, from epoch 30), read as Keras' EarlyStopping.
    """

    metric: str = "val_auc_pr"
    patience: int = 100
    min_gain: float = 0.001
    start_epoch: int = 30

    def stop_epoch(self, curve: np.ndarray) -> int | None:
        """Return the epoch (from 1) after which training stops, or None.

        Parameters
        ----------
        curve : numpy.ndarray
            Shape (n_epochs,); NaN is no gain, so an undefined metric stops at the first chance.
        """
        best, waited = -np.inf, 0
        for epoch, value in enumerate(curve[self.start_epoch :], start=self.start_epoch + 1):
            if value - self.min_gain > best:
                best, waited = float(value), 0
            else:
                waited += 1
            if waited >= self.patience:
                return epoch
        return None
