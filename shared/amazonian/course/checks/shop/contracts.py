"""What lab 2.1 asks of a contract: saying what a reply lacks of what its consumer expects."""

from amazonian.course.evidence import call
from amazonian.course.rules import RulesFor

about = RulesFor("amazonian.shop.contracts")


@about.rule("broken_by")
def a_value_has_the_type_that_is_expected(broken_by):
    """A type fits a value of exactly that type; otherwise the sentence names both types."""
    call(broken_by, str, "book").equals([], look="nothing is broken: an empty list")
    call(broken_by, int, 1999).equals([])
    call(broken_by, str, 1.5).equals(["body is float, not str"])
    call(broken_by, int, "1999").equals(["body is str, not int"])
    call(broken_by, int, None).equals(["body is NoneType, not int"])
    call(broken_by, str, None, "it").equals(
        ["it is NoneType, not str"], look="`at` is what the sentence calls the value"
    )


@about.rule("broken_by")
def true_is_no_number(broken_by):
    """True is no int, although isinstance says so: a JSON reader of another language would fail."""
    call(broken_by, int, True).equals(
        ["body is bool, not int"], look="compare type(value), isinstance(True, int) is true"
    )


@about.rule("broken_by")
def more_than_expected_breaks_nothing(broken_by):
    """A reply may have fields that the consumer does not know: they break nothing."""
    look = "the provider may add fields for others; the consumer looks at its own"
    call(broken_by, {"sku": str}, {"sku": "book", "title": "A book", "tags": []}).equals([], look)
    call(broken_by, {}, {"sku": "book"}).equals([], look)


@about.rule("broken_by")
def every_field_that_is_expected_is_there_and_fits(broken_by):
    """A dictionary must have each field of the shape, and each must fit; all faults are told."""
    shape = {"sku": str, "price_cents": int}
    call(broken_by, shape, {"sku": "book", "price_cents": 1999}).equals([])
    call(broken_by, shape, {"sku": "book", "price": 1999}).equals(
        ["body.price_cents is missing"], look="a renamed field is a missing one"
    )
    call(broken_by, shape, {"price_cents": "1999"}).equals(
        ["body.sku is missing", "body.price_cents is str, not int"],
        look="tell everything that is broken, in the order of the shape",
    )
    call(broken_by, {"a": str, "b": str, "c": int}, {"a": 1, "c": "1"}).equals(
        ["body.a is int, not str", "body.b is missing", "body.c is str, not int"],
        look="in the order of the shape, whatever kind of fault it is",
    )
    call(broken_by, {"a": int}, {"a": None}).equals(
        ["body.a is NoneType, not int"], look="a field that is null is there: it does not fit"
    )
    call(broken_by, {"a": int}, {"a": 0}).equals([], look="0 is a value like any other")
    call(broken_by, {"a": int}, {}, "it").equals(["it.a is missing"])


@about.rule("broken_by")
def it_looks_into_what_is_nested(broken_by):
    """Shapes may stand in shapes, as deep as one likes, and a sentence says where."""
    shape = {"order": {"buyer": {"name": str}}}
    call(broken_by, shape, {"order": {"buyer": {"name": "Ada"}}}).equals([])
    call(broken_by, shape, {"order": {"buyer": {}}}).equals(
        ["body.order.buyer.name is missing"], look="hand the longer `at` on"
    )
    call(broken_by, shape, {"order": {}}).equals(["body.order.buyer is missing"])


@about.rule("broken_by")
def every_item_of_a_list_fits(broken_by):
    """A list must have items that all fit the one shape in it; it may be empty."""
    shape = [{"sku": str, "quantity": int}]
    call(broken_by, shape, []).equals([], look="an empty list breaks nothing")
    call(broken_by, shape, [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]).equals([])
    call(broken_by, shape, [{"sku": "a", "quantity": 1}, {"sku": "b"}, {"quantity": 3}]).equals(
        ["body[1].quantity is missing", "body[2].sku is missing"],
        look="look at each item, not only at the first; number them from 0",
    )
    call(broken_by, {"lines": [int]}, {"lines": [1, "x"]}).equals(["body.lines[1] is str, not int"])
    call(broken_by, [[int]], [[1], [2, None]]).equals(["body[1][1] is NoneType, not int"])


@about.rule("broken_by")
def what_should_be_a_dictionary_or_list_is_one(broken_by):
    """A value that should be a dictionary or a list and is not is told like a wrong type."""
    call(broken_by, {"sku": str}, None).equals(
        ["body is NoneType, not dict"], look="test the type before you look for fields"
    )
    call(broken_by, {"sku": str}, ["sku"]).equals(["body is list, not dict"])
    call(broken_by, {}, "text").equals(["body is str, not dict"])
    call(broken_by, [int], {"0": 1}).equals(["body is dict, not list"])
    call(broken_by, [str], "abc").equals(
        ["body is str, not list"], look="a text can be gone through, and is no list"
    )
    call(broken_by, {"lines": [int]}, {"lines": {}}).equals(["body.lines is dict, not list"])


about.hints(
    "broken_by",
    "A shape may hold shapes. Which function can say what is broken in one of those?",
    """
    First the type: the shape itself if it is one, else the type of the shape (dict or list); a
    value of another type is one sentence, and there is nothing more to look at. Then, for a
    dictionary, each field of the shape: missing, or what broken_by says of it. For a list, what
    broken_by says of each item.
    """,
    """
    wanted = shape if isinstance(shape, type) else type(shape)
    if type(value) is not wanted:
        return [f"{at} is …, not …"]
    broken = []
    if isinstance(shape, dict):
        for name, inner in shape.items():
            if name in value:
                broken += broken_by(inner, value[name], f"{at}.{name}")
            else:
                …
    if isinstance(shape, list):
        for number, item in enumerate(value):
            broken += …
    return broken
    """,
)
