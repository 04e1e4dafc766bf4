"""Policies: who, what, on what, under which conditions, and who decides in the end."""

import json
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.iam.conditions import matches
from amazonian.iam.policy import (
    AccessRequest,
    Effect,
    MalformedPolicyError,
    Policy,
    Principal,
    evaluate,
)

ONE, TWO = "111111111111", "222222222222"
ANNA = Principal(
    f"arn:aws:iam::{ONE}:user/shop/anna", ONE, "AIDAANNA", {"team": "red"}, canonical_id="c" * 64
)
ROOT = Principal(f"arn:aws:iam::{ONE}:root", ONE, ONE)
CARL = Principal(f"arn:aws:iam::{TWO}:user/carl", TWO, "AIDACARL")
WORKER = Principal(
    f"arn:aws:sts::{ONE}:assumed-role/worker/monday",
    ONE,
    "AROAWORKER:monday",
    issuer_arn=f"arn:aws:iam::{ONE}:role/jobs/worker",
)
KEY = "arn:aws:s3:::photos/2026/cat.jpg"


def asked(
    principal: Principal | None = ANNA,
    action: str = "s3:GetObject",
    resource: str = KEY,
    **context: Any,
) -> AccessRequest:
    """`context` keys are written with __ for : and _ for -."""
    named = {
        key.replace("__", ":").replace("_", "-"): value if isinstance(value, list) else [value]
        for key, value in context.items()
    }
    return AccessRequest(principal, action, resource, named)


def statement(**elements: Any) -> dict:
    return {"Effect": "Allow", "Action": "s3:*", "Resource": "*"} | elements


def identity(*statements: dict, version: str = "2012-10-17") -> Policy:
    document = {"Version": version, "Statement": list(statements)}
    return Policy.parse(json.dumps(document), resource_policy=False)


def bucket(*statements: dict) -> Policy:
    everyone = [{"Principal": "*"} | one for one in statements]
    everyone = [{key: value for key, value in one.items() if value is not None} for one in everyone]
    document = {"Version": "2012-10-17", "Statement": everyone}
    return Policy.parse(document, resource_policy=True)


def allows(policy: Policy, request: AccessRequest) -> bool:
    return evaluate([policy], request) is Effect.ALLOW


# --- wildcards --------------------------------------------------------------------------------


@given(st.text("ab*?", max_size=8), st.text("ab\n", max_size=10))
def test_wildcards_are_those_of_a_shell(pattern: str, text: str) -> None:
    assert matches(pattern, text, None) is fnmatchcase(text, pattern)


def test_many_stars_take_no_time() -> None:
    began_s = time.perf_counter()
    assert not matches("*a" * 60 + "*b", "a" * 1024, None)
    assert time.perf_counter() - began_s < 1


@pytest.mark.parametrize(
    ("pattern", "action", "match"),
    [
        ("s3:*", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:PutObject", False),
        ("s3:?etObject", "s3:GetObject", True),
        ("*", "iam:CreateUser", True),
        ("s3:GetObject", "s3:GetObjectAcl", False),
    ],
)
def test_actions(pattern: str, action: str, match: bool) -> None:
    assert allows(identity(statement(Action=[pattern])), asked(action=action)) is match


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        (KEY, True),
        ("arn:aws:s3:::photos/*", True),
        ("arn:aws:s3:::Photos/*", False),
        ("arn:aws:s3:::photos", False),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::photos/????/cat.jpg", True),
        ("arn:aws:s3:::photos/*.png", False),
    ],
)
def test_resources(pattern: str, match: bool) -> None:
    assert allows(identity(statement(Resource=pattern)), asked()) is match


def test_everything_but() -> None:
    others = identity({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::a/*"})
    assert allows(others, asked())
    assert not allows(others, asked(action="iam:ListUsers"))
    assert not allows(others, asked(resource="arn:aws:s3:::a/b"))


# --- policy variables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "match"),
    [
        ("arn:aws:s3:::photos/${aws:username}/*", True),
        ("arn:aws:s3:::photos/${AWS:UserName}/*", True),
        ("arn:aws:s3:::photos/${aws:userid}/*", False),
        ("arn:aws:s3:::photos/${aws:nothing}/*", False),
        ("arn:aws:s3:::photos/${aws:nothing, 'anna'}/*", True),
        ("arn:aws:s3:::photos/a${?}na/*", False),
        ("arn:aws:s3:::photos/${*}/*", False),
    ],
)
def test_variables(resource: str, match: bool) -> None:
    request = asked(resource="arn:aws:s3:::photos/anna/cat.jpg")
    assert allows(identity(statement(Resource=resource)), request) is match


def test_a_variables_value_has_no_wildcards() -> None:
    star = Principal(f"arn:aws:iam::{ONE}:user/*", ONE, "AIDASTAR")
    own = identity(statement(Resource="arn:aws:s3:::photos/${aws:username}/*"))
    assert not allows(own, asked(star, resource="arn:aws:s3:::photos/anna/x"))
    assert allows(own, asked(star, resource="arn:aws:s3:::photos/*/x"))


def test_roles_and_nobody_have_no_user_name() -> None:
    own = bucket(statement(Resource="arn:aws:s3:::photos/${aws:username}/*"))
    for who in (WORKER, ROOT, None):
        assert not allows(own, asked(who, resource="arn:aws:s3:::photos//x"))


def test_the_language_of_2008_has_no_variables() -> None:
    own = identity(statement(Resource="arn:aws:s3:::photos/${aws:username}"), version="2008-10-17")
    assert not allows(own, asked(resource="arn:aws:s3:::photos/anna"))
    assert allows(own, asked(resource="arn:aws:s3:::photos/${aws:username}"))


def test_tags_are_context() -> None:
    own = identity(statement(Condition={"StringEquals": {"aws:PrincipalTag/Team": "red"}}))
    assert allows(own, asked())
    assert not allows(own, asked(CARL))


def test_what_the_principal_is_comes_before_what_the_request_says() -> None:
    own = identity(statement(Condition={"StringEquals": {"aws:username": "carl"}}))
    assert not allows(own, asked(aws__username="carl"))


# --- principals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "who"),
    [
        ("*", {"anna", "root", "carl", "worker", "nobody"}),
        ({"AWS": "*"}, {"anna", "root", "carl", "worker", "nobody"}),
        ({"AWS": ANNA.arn}, {"anna"}),
        ({"AWS": [ANNA.arn, CARL.arn]}, {"anna", "carl"}),
        ({"AWS": ONE}, {"anna", "root", "worker"}),
        ({"AWS": ROOT.arn}, {"anna", "root", "worker"}),
        ({"AWS": WORKER.arn}, {"worker"}),
        ({"AWS": WORKER.issuer_arn}, {"worker"}),
        ({"CanonicalUser": "c" * 64}, {"anna"}),
        ({"Service": "lambda.amazonaws.com"}, set()),
        ({"Service": "lambda.amazonaws.com", "AWS": CARL.arn}, {"carl"}),
        ({"AWS": "arn:aws:iam::s3tenant1:root"}, set()),
    ],
)
def test_principals(principal: Any, who: set[str]) -> None:
    everyone = {"anna": ANNA, "root": ROOT, "carl": CARL, "worker": WORKER, "nobody": None}
    policy = bucket(statement(Principal=principal))
    assert {name for name, one in everyone.items() if allows(policy, asked(one))} == who


def test_a_service_is_named_by_its_name() -> None:
    service = Principal("lambda.amazonaws.com", "", "")
    assert allows(bucket(statement(Principal={"Service": "lambda.amazonaws.com"})), asked(service))


def test_everyone_but() -> None:
    others = bucket(statement(Effect="Deny", Principal=None, NotPrincipal={"AWS": ANNA.arn}))
    assert evaluate([others], asked()) is Effect.IMPLICIT_DENY
    assert evaluate([others], asked(CARL)) is Effect.DENY
    assert evaluate([others], asked(None)) is Effect.DENY


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "wanted", "sent", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", "A", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringNotEquals", ["a", "b"], "a", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringLike", "a*", "ab", True),
        ("StringLike", ["x", ""], "", True),
        ("StringNotLike", "a*", "ab", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", 10, "10", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericLessThan", "10", "many", False),
        ("DateLessThan", "2026-12-01T00:00:00Z", "2026-11-26T00:00:00Z", True),
        ("DateGreaterThan", "2026-12-01", "2026-11-26T00:00:00Z", False),
        ("DateEquals", "1764115200", "2025-11-26T00:00:00Z", True),
        ("Bool", "true", "true", True),
        ("Bool", True, "false", False),
        ("Bool", "TRUE", "true", True),
        ("BinaryEquals", "AAE=", "AAE=", True),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
        ("IpAddress", ["192.168.0.1", "10.0.0.0/8"], "192.168.0.1", True),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "2001:db8::/32", "10.1.2.3", False),
        ("IpAddress", "10.0.0.0/8", "nowhere", False),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("NotIpAddress", "10.0.0.0/8", "11.1.2.3", True),
        ("ArnLike", "arn:aws:s3:::ph*", "arn:aws:s3:::photos", True),
        ("ArnLike", "arn:*:photos", "arn:aws:s3:::photos", False),
        ("ArnEquals", "arn:aws:s3:*:*:photos", "arn:aws:s3:::photos", True),
        ("ArnNotLike", "arn:aws:s3:::ph*", "arn:aws:s3:::photos", False),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", False, "a", True),
        ("Null", "false", None, False),
        # a key that the request does not have
        ("StringEquals", "a", None, False),
        ("StringNotEquals", "a", None, True),
        ("NotIpAddress", "10.0.0.0/8", None, True),
        ("NumericLessThan", "10", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEqualsIfExists", "a", None, True),
        # several values
        ("ForAnyValue:StringEquals", ["a", "b"], ["b", "x"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["x"], False),
        ("ForAnyValue:StringEquals", ["a", "b"], None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "x"], False),
        ("ForAllValues:StringEquals", ["a", "b"], None, True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "x"], True),
        ("ForAllValues:StringNotEquals", ["a", "b"], ["a", "x"], False),
        ("ForAnyValue:StringNotEquals", ["a"], None, False),
        ("StringNotEquals", ["a"], ["a", "x"], False),
        ("ForAnyValue:StringLike", "team-*", ["x", "team-a"], True),
    ],
)
def test_conditions(operator: str, wanted: Any, sent: Any, holds: bool) -> None:
    policy = identity(statement(Condition={operator: {"s3:Prefix": wanted}}))
    context = {} if sent is None else {"s3__prefix": sent}
    assert allows(policy, asked(**context)) is holds


def test_all_conditions_must_hold() -> None:
    policy = identity(
        statement(
            Condition={
                "StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"},
                "NumericLessThan": {"s3:max-keys": "10"},
            }
        )
    )
    right = {"s3__prefix": "a", "s3__delimiter": "/", "s3__max_keys": "5"}
    assert allows(policy, asked(**right))
    for key in right:
        assert not allows(policy, asked(**right | {key: "99"}))


def test_a_condition_may_name_a_variable() -> None:
    policy = identity(statement(Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}))
    assert allows(policy, asked(s3__prefix="anna/x"))
    assert not allows(policy, asked(s3__prefix="carl/x"))
    equal = identity(statement(Condition={"StringEquals": {"s3:prefix": "${aws:username}"}}))
    assert allows(equal, asked(s3__prefix="anna"))
    unknown = identity(statement(Condition={"StringNotEquals": {"s3:prefix": "${aws:nothing}"}}))
    assert allows(unknown, asked(s3__prefix="anna"))


# --- an account that is named -----------------------------------------------------------------


def test_an_account_may_stand_for_its_root_alone() -> None:
    """Within one account, who names the account leaves the choice to its users' policies."""
    for name in (ONE, ROOT.arn):
        for effect, for_anna in (("Allow", Effect.IMPLICIT_DENY), ("Deny", Effect.DENY)):
            policy = bucket(statement(Effect=effect, Principal={"AWS": name}))
            own = replace(asked(), delegated=False)
            assert evaluate([policy], own) is for_anna
            assert evaluate([policy], replace(own, principal=ROOT)).value == effect
            assert evaluate([policy], replace(own, delegated=True)).value == effect


# --- public -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "public"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": [ANNA.arn, "*"]}}, True),
        ({"Principal": None, "NotPrincipal": {"AWS": ANNA.arn}}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": ROOT.arn}}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-9"}}}, False),
        ({"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-9"}}}, True),
        ({"Condition": {"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-9"}}}, True),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-9"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "${aws:username}"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Condition": {"StringEquals": {"aws:Referer": "http://example.com"}}}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_what_counts_as_public(elements: dict, public: bool) -> None:
    assert bucket(statement(**elements)).grants_public() is public


# --- reading documents ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elements",
    [
        {"Effect": "allow"},
        {"Effect": None},
        {"Action": None},
        {"Action": []},
        {"Action": "GetObject"},
        {"Action": 5},
        {"NotAction": "s3:*"},
        {"Resource": None},
        {"Resource": []},
        {"Resource": "photos/*"},
        {"Principal": None},
        {"Principal": {}},
        {"Principal": "anna"},
        {"Principal": {"AWS": "anna"}},
        {"Principal": {"AWS": "arn:aws:iam::111111111111:user/*"}},
        {"Principal": {"Somebody": "*"}},
        {"Condition": []},
        {"Condition": {"StringEquals": "a"}},
        {"Condition": {"StringIs": {"a": "b"}}},
        {"Condition": {"NullIfExists": {"a": "true"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "here"}}},
        {"Condition": {"NumericEquals": {"a": "many"}}},
        {"Condition": {"DateEquals": {"a": "soon"}}},
        {"Condition": {"Bool": {"a": "perhaps"}}},
        {"Condition": {"StringEquals": {"a": {"b": "c"}}}},
        {"Sid": 5},
        {"Extra": "x"},
    ],
)
def test_a_malformed_statement(elements: dict) -> None:
    with pytest.raises(MalformedPolicyError):
        bucket(statement(**elements))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        b"\xff\xfe",
        "{}",
        '{"Statement": []}',
        '{"Statement": [5]}',
        '{"Version": "2020-01-01", "Statement": [{}]}',
        json.dumps({"Statement": [statement(Principal="*", Sid="a")] * 2}),
        "[" * 100_000,
    ],
)
def test_a_malformed_document(text: str | bytes) -> None:
    with pytest.raises(MalformedPolicyError):
        Policy.parse(text, resource_policy=True)


def test_a_trust_policy_names_no_resource() -> None:
    trusted = {"Effect": "Allow", "Principal": {"AWS": ONE}, "Action": "sts:AssumeRole"}
    policy = Policy.parse({"Statement": trusted}, resource_policy=True, about_itself=True)
    assert allows(policy, asked(action="sts:AssumeRole", resource=WORKER.issuer_arn))
    with pytest.raises(MalformedPolicyError):
        Policy.parse(
            {"Statement": trusted | {"Resource": "*"}}, resource_policy=True, about_itself=True
        )
