import dataclasses

import pytest
from reported_searches import made_study


@pytest.fixture(scope="session")
def study():
    return made_study()


@pytest.fixture(scope="session")
def single(study):
    return dataclasses.replace(study, searches=study.searches[:1])
