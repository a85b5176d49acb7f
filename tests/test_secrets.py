from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.secrets import RedactingFormatter, hidden, is_exposed, keep_private, redacted

WORD = "Tr0ub4dor&3"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
        ("postgresql+psycopg2://u:a/b@c:d@h:5432/db", "postgresql+psycopg2://u:***@h:5432/db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://h/db?user=u&password=p&sslmode=require", "postgresql://h/db?user=u&password=***&sslmode=require"),
        ("https://token@h:5000", "https://***@h:5000"),
        ("https://u:p@h:5000/x", "https://u:***@h:5000/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://h/a?api_key=k#x", "http://h/a?api_key=***#x"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ("starter", "starter"),
        ("models:/superionic@champion", "models:/superionic@champion"),
    ],
)  # fmt: skip
def test_addresses_are_shown_without_secrets(address, shown):
    assert hidden(address) == shown


PLAIN = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#'\"<>`"), min_size=8
)


@given(PLAIN, st.sampled_from(["postgresql", "mysql+pymysql", "http", "https"]))
def test_no_password_is_left_in_an_address_or_a_message(password, scheme):
    password = f"q{password}q"
    address = f"{scheme}://user:{password}@host:5000/db"
    assert password not in hidden(address)
    message = f"cannot reach {address} as user with {password}: refused"
    assert password not in redacted(message, address)


def test_the_encoded_password_and_the_plain_one_are_hidden():
    text = redacted("Tr0ub4dor&3 Tr0ub4dor%263", "postgresql://u:Tr0ub4dor%263@h/db")
    assert text == "*** ***"


@pytest.mark.parametrize("name", ["MP_API_KEY", "MLFLOW_TRACKING_TOKEN", "RAY_AUTH_TOKEN"])
def test_secrets_of_the_environment_are_hidden(monkeypatch, name):
    monkeypatch.setenv(name, WORD)
    assert redacted(f"the key {WORD} is refused") == "the key *** is refused"


def test_a_message_without_secrets_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "sie")  # too short to be looked for among words
    text = "sie: see https://docs.ray.io/x and data/cifs/a.cif:12"
    assert redacted(text) == text


def test_logged_lines_and_tracebacks_have_no_secrets():
    try:
        raise ValueError(f"http://u:{WORD}@h")
    except ValueError:
        import sys

        record = logging.LogRecord(
            "sie", logging.ERROR, "x.py", 1, "to %s", (f"https://u:{WORD}@h",), sys.exc_info()
        )
    line = RedactingFormatter("%(message)s").format(record)
    assert WORD not in line
    assert "to https://u:***@h" in line


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("http://mlflow:5000", True),
        ("http://10.0.0.1:5000", True),
        ("HTTP://u:p@example.org", True),
        ("http://127.0.0.1.example.org", True),
        ("http://localhost:5000", False),
        ("http://127.8.8.8:5000", False),
        ("http://[::1]:5000", False),
        ("https://mlflow.example.org", False),
        ("postgresql://h/db", False),
        ("http://[bad", False),
    ],
)
def test_plain_http_to_another_machine_is_told_apart(address, exposed):
    assert is_exposed(address) is exposed


def test_a_token_that_all_can_read_is_made_private(tmp_path):
    token = tmp_path / "auth_token"
    token.write_text("x")
    token.chmod(0o644)
    keep_private(token)
    assert token.stat().st_mode & 0o777 == 0o600
    keep_private(tmp_path / "none")
