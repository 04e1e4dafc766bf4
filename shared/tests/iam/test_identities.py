"""Accounts, users and keys: from the users file, and kept in a file of their own."""

import json
import random
import re
import threading
from pathlib import Path

import pytest

from amazonian.iam.claims import SignatureError
from amazonian.iam.identities import Identities
from amazonian.iam.policy import AccessRequest, Effect, evaluate
from amazonian.resilience.clock import SimulatedClock

USERS = {
    "accounts": [
        {
            "account_id": "111111111111",
            "canonical_id": "testid",
            "display_name": "main",
            "email": "Main@Example.com",
            "access_keys": [{"access_key_id": "ROOT", "secret_access_key": "r"}],
            "users": [
                {
                    "user_name": "anna",
                    "access_keys": [{"access_key_id": "ANNA", "secret_access_key": "a"}],
                    "policies": {
                        "read": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
                            ],
                        }
                    },
                }
            ],
        },
        {"account_id": "222222222222", "canonical_id": "c", "display_name": "alt", "email": "a@b"},
    ]
}


@pytest.fixture
def identities() -> Identities:
    made = Identities(clock=SimulatedClock(1_000.0), rng=random.Random(1))
    made.add_users(USERS)
    return made


def test_a_key_leads_to_its_caller(identities: Identities) -> None:
    assert (identities.secret_of("ROOT"), identities.secret_of("ANNA")) == ("r", "a")
    assert identities.secret_of("NOBODY") is None
    root, anna = identities.caller("ROOT"), identities.caller("ANNA")
    assert (root.is_root, anna.is_root) == (True, False)
    assert root.principal.arn == "arn:aws:iam::111111111111:root"
    assert anna.principal.arn == "arn:aws:iam::111111111111:user/anna"
    assert anna.principal.canonical_id == "testid"
    assert anna.account == identities.account("111111111111")


def test_accounts_are_found_by_any_of_their_names(identities: Identities) -> None:
    main = identities.account("111111111111")
    assert identities.account_by_canonical_id("testid") == main
    assert identities.account_by_email("main@example.COM") == main
    assert identities.account("333333333333") is None
    assert identities.account_by_email("") is None


def test_a_users_policies_are_read(identities: Identities) -> None:
    anna = identities.caller("ANNA").principal
    for action, effect in (("s3:GetObject", Effect.ALLOW), ("s3:Put", Effect.IMPLICIT_DENY)):
        request = AccessRequest(anna, action, "arn:aws:s3:::b/k")
        assert evaluate(identities.policies_of(anna), request) is effect
    assert identities.policies_of(identities.caller("ROOT").principal) == []


def test_a_users_file_may_be_read_again(tmp_path: Path) -> None:
    users, data = tmp_path / "users.json", tmp_path / "iam.sqlite"
    users.write_text(json.dumps(USERS))
    for secret in ("a", "changed"):
        now = json.loads(users.read_text())
        now["accounts"][0]["users"][0]["access_keys"][0]["secret_access_key"] = secret
        users.write_text(json.dumps(now))
        identities = Identities.load_users(users, data)
        assert identities.secret_of("ANNA") == secret
        ids = identities.caller("ANNA").principal.user_id
        identities.close()
    again = Identities(data)
    assert again.caller("ANNA").principal.user_id == ids
    again.close()


def test_a_broken_users_file_changes_nothing(identities: Identities) -> None:
    broken = json.loads(json.dumps(USERS))
    broken["accounts"][0]["access_keys"][0]["secret_access_key"] = "other"
    broken["accounts"][0]["users"][0]["policies"]["read"] = {"Statement": 5}
    with pytest.raises(ValueError, match="Syntax errors"):
        identities.add_users(broken)
    assert identities.secret_of("ROOT") == "r"


def test_a_new_account_is_kept(tmp_path: Path) -> None:
    first = Identities(tmp_path / "iam.sqlite")
    account, key_id, secret = first.make_account("main")
    first.close()
    again = Identities(tmp_path / "iam.sqlite")
    assert again.secret_of(key_id) == secret
    assert again.caller(key_id).account == account
    again.close()


def test_ids_have_awss_form_and_come_from_the_rng() -> None:
    made = [Identities(rng=random.Random(7)).make_account("main") for _ in range(2)]
    assert made[0] == made[1]
    account, key_id, secret = made[0]
    assert re.fullmatch(r"\d{12}", account.account_id)
    assert re.fullmatch(r"[0-9a-f]{64}", account.canonical_id)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", secret)


def test_temporary_keys_need_their_token_and_end(identities: Identities) -> None:
    anna = identities.caller("ANNA").principal
    with identities.directory.transaction():
        made = identities.make_credentials("111111111111", anna.user_id, None, 900)
    key_id, token = made.access_key_id, made.token
    assert identities.caller(key_id, token).principal == anna
    for wrong in (None, "", "x" + token):
        with pytest.raises(SignatureError, match="InvalidToken"):
            identities.caller(key_id, wrong)
    with pytest.raises(SignatureError, match="InvalidToken"):
        identities.caller("ANNA", token)
    identities.clock.sleep(900)
    with pytest.raises(SignatureError, match="ExpiredToken"):
        identities.caller(key_id, token)


def test_many_threads_see_each_change_at_once(identities: Identities) -> None:
    """Whoever asks after a change was committed gets what it says, never what was cached."""
    stop, wrong = threading.Event(), []
    changed = [0]

    def ask() -> None:
        while not stop.is_set():
            before = changed[0]
            if int(identities.secret_of("KEY") or 0) < before:
                wrong.append(before)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 200):
        key = {"access_key_id": "KEY", "secret_access_key": str(number)}
        account = {key: USERS["accounts"][1][key] for key in USERS["accounts"][1]}
        identities.add_users({"accounts": [account | {"access_keys": [key]}]})
        changed[0] = number
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
