"""The final judgement of an ensemble: the test set, opened once, with its uncertainty."""
