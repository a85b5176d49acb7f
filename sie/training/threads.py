"""How many threads a worker's arithmetic uses.

One thread makes a trial repeatable bit for bit; who runs how many workers is decided elsewhere.
"""

from __future__ import annotations

from sie.errors import SieError


def limit_threads(n: int) -> None:
    """Let TensorFlow and the BLAS behind NumPy and SciPy use at most n threads in this process.

    Raises
    ------
    SieError
        When TensorFlow has already started with another number; call this first in a process.
    """
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    threading = tf.config.threading
    try:
        threading.set_intra_op_parallelism_threads(n)
        threading.set_inter_op_parallelism_threads(n)
    except RuntimeError as error:
        raise SieError(
            "TensorFlow is already running with another number of threads; "
            "limit the threads before its first use in the process"
        ) from error
    threadpool_limits(n)
