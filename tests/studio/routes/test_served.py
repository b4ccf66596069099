"""Names by which a route is asked: those that the server makes, and nothing that leads elsewhere."""

import pytest
from pydantic import TypeAdapter, ValidationError

from framefall.studio.routes.served import Id

NAMES = TypeAdapter(Id)


@pytest.mark.parametrize("name", ["pico", "job.0123abc", "given.my_model-2", "a" * 2000])
def test_a_name_of_the_servers_is_one(name: str) -> None:
    assert NAMES.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "../pico", "a b", "é", "a\n", "a\x00", "a" * 2001])
def test_what_leads_elsewhere_is_none(name: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(name)
