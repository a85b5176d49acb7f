"""MLflow as the record of everything: the store, the runs, and reading them back."""
