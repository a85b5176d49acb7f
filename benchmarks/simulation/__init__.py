"""A simulation of a search on any number of workers, from the record of a real one."""
