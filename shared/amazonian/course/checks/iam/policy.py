"""What lab 4.1 asks of policy evaluation."""

from amazonian.course.evidence import Answer, call
from amazonian.course.rules import RulesFor
from amazonian.iam.policy import AccessRequest, Effect, Policy, Principal

about = RulesFor("amazonian.iam.policy")

ANNA = Principal("arn:aws:iam::111111111111:user/anna", "111111111111", "AIDAANNA")
KEY = "arn:aws:s3:::photos/2026/cat.jpg"
READ = AccessRequest(ANNA, "s3:GetObject", KEY, {"aws:sourceip": ["10.1.2.3"]})

ALLOW_READ = ("Allow", "s3:GetObject", "*")
ALLOW_WRITE = ("Allow", "s3:PutObject", "*")
ALLOW_OTHERS = ("Allow", "s3:GetObject", "arn:aws:s3:::music/*")
DENY_READ = ("Deny", "s3:Get*", "arn:aws:s3:::photos/*")
DENY_DELETE = ("Deny", "s3:DeleteObject", "*")
DENY_OTHERS = ("Deny", "s3:*", "arn:aws:s3:::music/*")
ALLOW_NEAR = (*ALLOW_READ, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
ALLOW_FAR = (*ALLOW_READ, {"IpAddress": {"aws:SourceIp": "192.168.0.0/16"}})
DENY_FAR = (*DENY_READ, {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})

APPLIES = "ask each statement whether it applies: statement.applies(request)"


def _policy(*statements: tuple) -> Policy:
    keys = ("Effect", "Action", "Resource", "Condition")
    listed = [dict(zip(keys, one, strict=False)) for one in statements]
    document = {"Version": "2012-10-17", "Statement": listed}
    return Policy.parse(document, resource_policy=False)


def _said(statements: tuple) -> str:
    lines = []
    for effect, action, resource, *condition in statements:
        lines.append(f"{effect} {action} on {resource}{f' if {condition[0]}' if condition else ''}")
    return "; ".join(lines) or "no statement"


def _evaluated(evaluate, *policies: tuple) -> Answer:
    shown = f"evaluate(policies, request)\nrequest: {READ.action} on {KEY}, from 10.1.2.3"
    for number, statements in enumerate(policies, start=1):
        shown += f"\npolicy {number}: {_said(statements)}"
    shown += "" if policies else "\nno policy at all"
    return call(evaluate, [_policy(*one) for one in policies], READ, shown_as=shown)


def _decides(evaluate, effect: Effect, *policies: tuple, look: str) -> None:
    answer = _evaluated(evaluate, *policies)
    value = answer.value(f"Effect.{effect.name}", look)
    if value != ("Effect", effect.name):
        if isinstance(value, bool | str):
            look = "the answer is one of the three members of Effect"
        raise answer.broken(f"Effect.{effect.name}", look)


@about.rule("evaluate")
def nothing_said_is_denied(evaluate):
    """If no statement applies, the request is denied implicitly."""
    for policies in ((), ((ALLOW_WRITE,),), ((ALLOW_OTHERS,), (ALLOW_WRITE,)), ((ALLOW_FAR,),)):
        _decides(evaluate, Effect.IMPLICIT_DENY, *policies, look=APPLIES)
    _decides(
        evaluate,
        Effect.IMPLICIT_DENY,
        (DENY_DELETE,),
        look="a Deny that does not apply is no reason to deny explicitly",
    )


@about.rule("evaluate")
def one_allow_is_enough(evaluate):
    """One statement that allows is enough, in whichever policy and place it is."""
    for policies in (
        ((ALLOW_READ,),),
        ((ALLOW_WRITE, ALLOW_READ),),
        ((ALLOW_READ, ALLOW_WRITE),),
        ((ALLOW_OTHERS,), (ALLOW_READ,)),
        ((ALLOW_READ,), (ALLOW_OTHERS,)),
        ((ALLOW_NEAR,),),
    ):
        _decides(evaluate, Effect.ALLOW, *policies, look=APPLIES)


@about.rule("evaluate")
def a_deny_wins(evaluate):
    """A Deny that applies wins over any Allow, before it or after it, in any policy."""
    for policies, look in (
        (((DENY_READ,),), "a Deny is explicit even if nothing was allowed"),
        (((DENY_READ, ALLOW_READ),), "an Allow that comes later takes nothing back"),
        (((ALLOW_READ, DENY_READ),), "don't stop at the first Allow: a Deny may follow"),
        (((ALLOW_READ,), (DENY_READ,)), "look through all policies before you allow"),
        (((DENY_READ,), (ALLOW_READ,)), "an Allow in another policy takes nothing back"),
        (((ALLOW_READ, ALLOW_NEAR, DENY_READ, ALLOW_READ),), "two Allows don't outvote a Deny"),
    ):
        _decides(evaluate, Effect.DENY, *policies, look=look)


@about.rule("evaluate")
def a_deny_elsewhere_does_not_matter(evaluate):
    """A Deny that does not apply (other action, resource or condition) takes nothing away."""
    for policies in (
        ((ALLOW_READ, DENY_DELETE),),
        ((DENY_OTHERS,), (ALLOW_READ,)),
        ((DENY_FAR, ALLOW_READ),),
    ):
        _decides(evaluate, Effect.ALLOW, *policies, look=APPLIES)


@about.rule("evaluate")
def any_iterable_will_do(evaluate):
    """Policies may come one at a time, from a generator for example."""
    for statements, effect in (
        ((DENY_READ, ALLOW_READ), Effect.DENY),
        ((ALLOW_READ, DENY_OTHERS), Effect.ALLOW),
    ):
        shown = "evaluate((policy for policy in policies), request)"
        for number, one in enumerate(statements, start=1):
            shown += f"\npolicy {number}: {_said((one,))}"
        call(evaluate, (_policy(one) for one in statements), READ, shown_as=shown).equals(
            effect, look="go through the policies once: a generator can't be read again"
        )


about.hints(
    "evaluate",
    """
    You have found a statement that allows. May you return now? And if it is one that denies?
    """,
    """
    Begin with IMPLICIT_DENY. Of the statements that apply, one that denies ends everything; one
    that allows only changes what you will return at the end.
    """,
    """
    effect = Effect.IMPLICIT_DENY
    for policy in policies:
        for statement in policy.statements:
            if statement.applies(request): …
    return effect
    """,
)
