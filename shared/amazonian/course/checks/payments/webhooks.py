"""What lab 3.2 asks of a webhook: whose it is, and whether it is still news."""

from dataclasses import replace
from typing import Any

from amazonian.course.evidence import call
from amazonian.course.rules import RulesFor
from amazonian.payments.orders import PaymentOrder, State
from amazonian.payments.provider import Captured, Declined, Refunded, RefundRefused
from amazonian.payments.webhooks import News, WebhookSignatureError, signature

about = RulesFor("amazonian.payments.webhooks")

SECRET, PAYLOAD, SENT_S = "whsec_ours", b'{"id": "evt_1"}', 1_790_000_000


# --- verify -----------------------------------------------------------------------------------


def _verify(verify: Any, header: str, now_s: float = SENT_S, **changes: Any) -> Any:
    payload = changes.get("payload", PAYLOAD)
    tolerance = {"tolerance_s": changes["tolerance_s"]} if "tolerance_s" in changes else {}
    return call(verify, payload, header, SECRET, now_s, **tolerance)


def _v1(secret: str = SECRET, sent_s: int = SENT_S, payload: bytes = PAYLOAD) -> str:
    return signature(payload, sent_s, secret)


@about.rule("verify")
def a_true_signature_passes(verify):
    """A header with its time and a v1 signature that fits raises nothing."""
    for header in (
        f"t={SENT_S},v1={_v1()}",
        f"v1={_v1()},t={SENT_S}",
        f"t={SENT_S},v0=old,v1={_v1()},v2=new",
        f"n=1,t={SENT_S},v1={_v1()}",
    ):
        _verify(verify, header).equals(None, look="names in any order; other names are passed over")
    for payload in (b'{\n  "id": "evt_1",  "amount": 1.0\n}\n', b" not JSON \xff"):
        _verify(verify, f"t={SENT_S},v1={_v1(payload=payload)}", payload=payload).equals(
            None, look="the payload is signed byte for byte, as it came: don't parse or strip it"
        )


@about.rule("verify")
def one_of_several_is_enough(verify):
    """While the secret is being changed there are two v1 signatures; either may fit."""
    other = _v1("whsec_old")
    for header in (f"t={SENT_S},v1={other},v1={_v1()}", f"t={SENT_S},v1={_v1()},v1={other}"):
        _verify(verify, header).equals(
            None, look="collect all values of v1; a dictionary keeps only one of them"
        )


@about.rule("verify")
def a_false_signature_is_refused(verify):
    """Another secret, another payload, or another time than the signed one is refused."""
    look = (
        "the signature is over the time, a point and the payload: signature(payload, t, secret); "
        "only v1 counts, the whole of it must be equal, and what does not fit is raised"
    )
    for header in (
        f"t={SENT_S},v1={_v1('whsec_theirs')}",
        f"t={SENT_S + 1},v1={_v1()}",
        f"t={SENT_S},v1={_v1(payload=b'{}')}",
        f"t={SENT_S},v1={_v1()[:-1]}",
        f"t={SENT_S},v0={_v1()}",
        f"t={SENT_S},v1=",
        f"t={SENT_S}",
    ):
        _verify(verify, header).raises(WebhookSignatureError, look)


@about.rule("verify")
def anything_in_the_header_is_refused_clearly(verify):
    """A header without a time, or with anything in it, raises WebhookSignatureError only."""
    for header in ("", "t", ",,,", "=", f"v1={_v1()}", f"t=,v1={_v1()}", f"t=now,v1={_v1()}",
                   f"t={SENT_S}abc,v1={_v1()}", f"t=²,v1={_v1()}", f"t={'9' * 5000},v1={_v1()}",
                   f"t=-{SENT_S},v1={_v1()}", f"t={SENT_S},v1=é"):  # fmt: skip
        _verify(verify, header).raises(
            WebhookSignatureError,
            look="anybody may send a header: int() of a text that is no number raises ValueError, "
            "and compare_digest takes ASCII texts or bytes",
        )


@about.rule("verify")
def an_old_one_is_refused(verify):
    """One that was sent more than tolerance_s seconds ago is refused; not earlier."""
    header = f"t={SENT_S},v1={_v1()}"
    look = "now_s - tolerance_s against the header's own time"
    _verify(verify, header, SENT_S + 300.0).equals(None, look)
    _verify(verify, header, SENT_S + 301.0).raises(WebhookSignatureError, look)
    _verify(verify, header, SENT_S + 10.0, tolerance_s=10.0).equals(None, look)
    _verify(verify, header, SENT_S + 11.0, tolerance_s=10.0).raises(WebhookSignatureError, look)
    _verify(verify, header, SENT_S - 5.0).equals(None, look="the PSP's clock may be ahead of ours")


about.hints(
    "verify",
    "What does an attacker know who has recorded one webhook, and what not?",
    """
    Cut the header at its commas, each piece at its first "=". Compute the signature that the
    payload should have at the time that the header names, and compare it with every v1.
    """,
    """
    fields = [field.partition("=")[::2] for field in header.split(",")]
    sent_at = next((value for name, value in fields if name == "t"), "")
    if not re.fullmatch("[0-9]{1,…}", sent_at): raise WebhookSignatureError(…)
    expected = signature(payload, int(sent_at), …).encode()
    if not any(hmac.compare_digest(expected, value.encode()) for name, value in fields if …): …
    if int(sent_at) < …: raise WebhookSignatureError(…)
    """,
)


# --- waits_for --------------------------------------------------------------------------------

ORDER = PaymentOrder("pay_1-1", "pay_1", "ada", 4200, "EUR", "pm_card_visa", key_generation=1)
PAID, REFUSED = Captured("pi_1"), Declined("card_declined", "Your card was declined.")
GIVEN_BACK, KEPT = Refunded("re_1"), RefundRefused("expired_card", "The card is gone.")
CHARGE, REFUND = "pay_1-1/1", "pay_1-1/refund/1"
CHARGING = (State.AUTHORISING, State.UNKNOWN)


def _waits(waits_for: Any, state: State, outcome: Any, key: str, wanted: bool, look: str) -> None:
    order = replace(ORDER, state=state)
    call(
        waits_for,
        order,
        News(order.id, key, outcome),
        shown_as=f"waits_for(<order {order.id}, {state}, key generation 1>, "
        f"News({type(outcome).__name__}, key {key!r}))",
    ).equals(wanted, look)


@about.rule("waits_for")
def a_charge_is_news_while_it_is_under_way(waits_for):
    """Captured is news for an order that is authorising or unknown, whatever request it is of."""
    for state in State:
        for key in (CHARGE, "pay_1-1/0"):
            _waits(
                waits_for, state, PAID, key, state in CHARGING,
                "a buyer who has paid has paid, by whichever request; but an order that has gone "
                "on, to captured, refunded or settled, must not be taken back",
            )  # fmt: skip


@about.rule("waits_for")
def a_decline_is_news_of_the_present_request_only(waits_for):
    """Declined is news for such an order only if it has the key that is in use now."""
    for state in State:
        _waits(
            waits_for, state, REFUSED, CHARGE, state in CHARGING,
            "an order that is captured stays so, however late a decline arrives",
        )  # fmt: skip
        _waits(
            waits_for, state, REFUSED, "pay_1-1/0", False,
            "provider.charge_key(order) is the request that is under way; an earlier one's failure "
            "says nothing about it",
        )  # fmt: skip


@about.rule("waits_for")
def a_refund_is_news_of_the_present_request_only(waits_for):
    """Refunded, with the refund's own key, is news only for an order that is refunding."""
    for state in State:
        _waits(
            waits_for, state, GIVEN_BACK, REFUND, state is State.REFUNDING,
            "the seller's money is held only while the order is refunding",
        )  # fmt: skip
        _waits(
            waits_for, state, GIVEN_BACK, "pay_1-1/refund/0", False,
            "an earlier refund may have succeeded, and have come back since: its key tells",
        )  # fmt: skip


@about.rule("waits_for")
def a_refused_refund_is_news_of_the_present_request_only(waits_for):
    """RefundRefused, with the refund's own key, is news for an order refunding or refunded."""
    for state in State:
        _waits(
            waits_for, state, KEPT, REFUND, state in (State.REFUNDING, State.REFUNDED),
            "a buyer's bank may send back a refund that had succeeded",
        )  # fmt: skip
        for key in ("pay_1-1/refund/0", CHARGE):
            _waits(
                waits_for, state, KEPT, key, False,
                "provider.refund_key(order) is the request that is under way",
            )  # fmt: skip


about.hints(
    "waits_for",
    "An order is captured. Which of the four kinds of news can take it further?",
    """
    A charge that succeeded counts whichever request it came from. The three others count only with
    the key that is in use now. And each counts only in a state that it takes further.
    """,
    """
    charging = order.state in (…, …)
    match news.outcome:
        case Captured(): return charging
        case Declined(): return charging and news.key == provider.…(order)
        case Refunded(): return order.state is … and news.key == …
        case _: return order.state in (…, …) and news.key == …
    """,
)
