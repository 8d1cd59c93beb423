from nasturtium.space.constraints import Rule


def test_a_rule_sees_only_what_it_reads_and_tells_what_broke_it():
    seen = []
    rule = Rule("too big", frozenset("ab"), lambda values: seen.append(dict(values)) or values["a"] < 2)
    assert rule.violation({"a": 1, "c": 5}) is None
    assert rule.violation({"c": 5, "b": (1, 2), "a": 3}) == "too big (got a=3, b=(1, 2))"
    assert seen == [{"a": 1}, {"a": 3, "b": (1, 2)}]
