"""Initial values of weights, drawn with NumPy so that a seed means the same weights everywhere.

Only the two distributions of Keras that AtomSets needs; which weight gets which lives elsewhere.
"""

from __future__ import annotations

import numpy as np


def glorot_uniform(rng: np.random.Generator, n_inputs: int, n_outputs: int) -> np.ndarray:
    """Draw a float32 kernel (n_inputs, n_outputs) from U(-a, a), a = sqrt(6 / (inputs + outputs)).

    Source: X. Glorot and Y. Bengio, AISTATS 2010, eq. 16; the default kernel of a Keras Dense.
    """
    limit = np.sqrt(6 / (n_inputs + n_outputs))
    return rng.uniform(-limit, limit, size=(n_inputs, n_outputs)).astype(np.float32)


def orthogonal(rng: np.random.Generator, n_rows: int, n_columns: int) -> np.ndarray:
    """Draw a float32 matrix (n_rows, n_columns) with orthonormal rows, or columns if it is tall.

    The draw is uniform, as in Keras' `Orthogonal`: Q of a Gaussian matrix whose R has a positive
    diagonal (F. Mezzadri, Notices of the AMS 2007, 54, 592). That R is the Cholesky factor of the
    Gram matrix, which takes half the time of Householder's way; it is as exact only while the
    matrix is well conditioned, as one is that has twice as many rows as columns, or more.
    """
    from scipy.linalg import blas, cholesky

    tall = (max(n_rows, n_columns), min(n_rows, n_columns))
    normal = rng.standard_normal(tall, dtype=np.float32)
    r = cholesky(normal.T @ normal, check_finite=False, overwrite_a=True)
    q = blas.strsm(1.0, r, normal, side=1)
    return np.ascontiguousarray(q if n_rows >= n_columns else q.T)
