"""Wrong answers to lab 4.1: policy evaluation."""

from amazonian.iam import policy
from amazonian.iam.policy import Effect
from wrong_answers import wrong


@wrong(policy, feedback="don't stop at the first Allow: a Deny may follow")
def evaluate__takes_the_first_statement_that_applies(policies, request):
    for one in policies:
        for statement in one.statements:
            if statement.applies(request):
                return statement.effect
    return Effect.IMPLICIT_DENY


@wrong(policy, feedback="an Allow that comes later takes nothing back")
def evaluate__takes_the_last_statement_that_applies(policies, request):
    effect = Effect.IMPLICIT_DENY
    for one in policies:
        for statement in one.statements:
            if statement.applies(request):
                effect = statement.effect
    return effect


@wrong(policy, feedback="look through all policies before you allow")
def evaluate__looks_at_one_policy_at_a_time(policies, request):
    for one in policies:
        effects = {statement.effect for statement in one.statements if statement.applies(request)}
        if Effect.DENY in effects:
            return Effect.DENY
        if Effect.ALLOW in effects:
            return Effect.ALLOW
    return Effect.IMPLICIT_DENY


@wrong(policy, feedback="If no statement applies, the request is denied implicitly")
def evaluate__allows_what_nobody_denies(policies, request):
    for one in policies:
        for statement in one.statements:
            if statement.applies(request) and statement.effect is Effect.DENY:
                return Effect.DENY
    return Effect.ALLOW


@wrong(policy, feedback="If no statement applies, the request is denied implicitly")
def evaluate__knows_one_kind_of_denial(policies, request):
    found = [s for one in policies for s in one.statements if s.applies(request)]
    if found and all(statement.effect is Effect.ALLOW for statement in found):
        return Effect.ALLOW
    return Effect.DENY


@wrong(policy, feedback="statement.applies(request)")
def evaluate__compares_actions_only(policies, request):
    effect = Effect.IMPLICIT_DENY
    for one in policies:
        for statement in one.statements:
            if request.action in statement.actions:
                if statement.effect is Effect.DENY:
                    return Effect.DENY
                effect = Effect.ALLOW
    return effect


@wrong(policy, feedback="two Allows don't outvote a Deny")
def evaluate__lets_the_majority_decide(policies, request):
    found = [s.effect for one in policies for s in one.statements if s.applies(request)]
    if not found:
        return Effect.IMPLICIT_DENY
    denies = found.count(Effect.DENY)
    return Effect.DENY if denies >= len(found) - denies else Effect.ALLOW


@wrong(policy, feedback="the answer is one of the three members of Effect")
def evaluate__answers_true_or_false(policies, request):
    return any(s.applies(request) for one in policies for s in one.statements)


@wrong(policy, feedback="a generator can't be read again")
def evaluate__goes_through_them_twice(policies, request):
    def found(effect):
        statements = (statement for one in policies for statement in one.statements)
        return any(one.effect is effect and one.applies(request) for one in statements)

    allowed = found(Effect.ALLOW)
    if found(Effect.DENY):
        return Effect.DENY
    return Effect.ALLOW if allowed else Effect.IMPLICIT_DENY


@wrong(policy, feedback="a generator can't be read again")
def evaluate__looks_for_denials_first(policies, request):
    for one in policies:
        for statement in one.statements:
            if statement.effect is Effect.DENY and statement.applies(request):
                return Effect.DENY
    for one in policies:
        for statement in one.statements:
            if statement.applies(request):
                return Effect.ALLOW
    return Effect.IMPLICIT_DENY


EQUIVALENT: dict[str, str] = {}
