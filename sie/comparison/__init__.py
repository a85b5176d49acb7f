"""Systems against each other on identical splits: networks, baselines, controls."""
