"""Answers: what the server sends fits the schema that it publishes."""

import pytest
from pydantic import BaseModel, ValidationError

from framefall.studio import answers


def test_every_answer_has_a_schema_and_says_what_it_is() -> None:
    models = [one for one in vars(answers).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    own = [one for one in models if one.__module__ == answers.__name__]
    assert len(own) > 20
    for one in own:
        assert one.__doc__ and one.model_json_schema()["type"] == "object"


def test_a_state_that_is_none_is_noticed() -> None:
    good = dict(metric="m", first=0, last=1, text="x")
    assert answers.Mark(**good).model_dump() == good
    with pytest.raises(ValidationError):
        answers.Mark(**good | {"first": "early"})
