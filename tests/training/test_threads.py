import pytest

from sie.errors import SieError
from sie.training.threads import limit_threads


def test_a_limit_that_comes_too_late_is_refused():
    import tensorflow as tf

    tf.constant(0)  # TensorFlow has started now
    now = tf.config.threading.get_intra_op_parallelism_threads()
    with pytest.raises(SieError, match="before its first use"):
        limit_threads(now + 1)
