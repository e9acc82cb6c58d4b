"""The sessions of a website's visitors: one token has one successor."""

import jwt
import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp import auth
from rtapp import clock
from rtapp.errors import Unauthorized
from rtapp.extensions import db
from rtapp.models import Identity
from rtapp.models import Token
from rtapp.models import Website
from rtapp.services.start_session import start_session
from rtapp.website_secrets import make_salt
from rtapp.website_secrets import secrets_of


@pytest.fixture
def website(app):
    with app.app_context():
        db.session.add(Website(inbox_id=1, key="first", first_salt=make_salt()))
        db.session.commit()
        yield db.session.get_one(Website, 1)
        db.session.rollback()


def count(row):
    return db.session.scalar(select(func.count()).select_from(row))


@pytest.mark.parametrize("is_identified", [False, True])
def test_of_two_requests_with_one_token_one_has_the_new_session(website, is_identified):
    own = auth.bearer_of_token(start_session(website, None).token.text)
    renewed = start_session(website, own)
    assert auth.bearer_of_token(renewed.token.text).principal.id == own.principal.id
    tokens, stated = count(Token), {"sub": "maria", "exp": int(clock.now().timestamp()) + 600}
    proof = jwt.encode(stated, secrets_of(website)[0], "HS256") if is_identified else None
    with pytest.raises(Unauthorized, match="has ended"):
        start_session(website, own, proof)  # which was authorised before the first one was done
    db.session.rollback()
    assert (count(Token), count(Identity)) == (tokens, 0)
    assert auth.bearer_of_token(renewed.token.text) is not None
