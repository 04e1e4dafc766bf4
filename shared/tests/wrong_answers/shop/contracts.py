"""Wrong answers to lab 2.1, on contracts."""

from amazonian.shop import contracts
from amazonian.shop.contracts import broken_by
from wrong_answers import wrong


@wrong(contracts, feedback="isinstance(True, int) is true")
def broken_by__asks_isinstance(shape, value, at="body"):
    if shape is int and isinstance(value, int):
        return []
    return broken_by(shape, value, at)


@wrong(contracts, feedback="the provider may add fields for others")
def broken_by__refuses_what_it_does_not_know(shape, value, at="body"):
    found = broken_by(shape, value, at)
    if isinstance(shape, dict) and isinstance(value, dict):
        found += [f"{at}.{name} is unknown" for name in value if name not in shape]
    return found


@wrong(contracts, feedback="tell everything that is broken")
def broken_by__stops_at_the_first_fault(shape, value, at="body"):
    return broken_by(shape, value, at)[:1]


@wrong(contracts, feedback="in the order of the shape, whatever kind of fault it is")
def broken_by__tells_what_is_missing_first(shape, value, at="body"):
    if not isinstance(shape, dict) or not isinstance(value, dict):
        return broken_by(shape, value, at)
    missing = [f"{at}.{name} is missing" for name in reversed(shape) if name not in value]
    there = {name: inner for name, inner in shape.items() if name in value}
    return missing + broken_by(there, value, at)


@wrong(contracts, feedback="hand the longer `at` on")
def broken_by__forgets_where_it_is(shape, value, at="body"):
    if not isinstance(shape, dict) or not isinstance(value, dict):
        return broken_by(shape, value, at)
    found = []
    for name, inner in shape.items():
        if name not in value:
            found.append(f"{at}.{name} is missing")
        elif isinstance(inner, dict):
            found += broken_by__forgets_where_it_is(inner, value[name])
        else:
            found += broken_by(inner, value[name], f"{at}.{name}")
    return found


@wrong(contracts, feedback="look at each item, not only at the first")
def broken_by__looks_at_the_first_item(shape, value, at="body"):
    if isinstance(shape, list) and isinstance(value, list):
        return broken_by(shape[0], value[0], f"{at}[0]") if value else []
    return broken_by(shape, value, at)


@wrong(contracts, feedback="a field that is null is there")
def broken_by__takes_null_for_missing(shape, value, at="body"):
    if isinstance(shape, dict) and isinstance(value, dict):
        value = {name: item for name, item in value.items() if item is not None}
    return broken_by(shape, value, at)


@wrong(contracts, feedback="a text can be gone through, and is no list")
def broken_by__takes_a_text_for_a_list(shape, value, at="body"):
    if isinstance(shape, list) and isinstance(value, str):
        value = list(value)
    return broken_by(shape, value, at)


@wrong(contracts, feedback="test the type before you look for fields")
def broken_by__expects_a_dictionary_to_be_there(shape, value, at="body"):
    if isinstance(shape, dict):
        found = []
        for name, inner in shape.items():
            if name in value:
                found += broken_by(inner, value[name], f"{at}.{name}")
            else:
                found.append(f"{at}.{name} is missing")
        return found
    return broken_by(shape, value, at)


@wrong(contracts, feedback="nothing is broken: an empty list")
def broken_by__says_none_when_all_is_well(shape, value, at="body"):
    return broken_by(shape, value, at) or None
