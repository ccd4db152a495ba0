"""What one template says, and that it is read whatever it holds."""

import random
from collections.abc import Iterator, Sequence

import pytest
from tests.robustness.damage import cut, shuffle_lines, swap_neighbours, unbalance_brackets

from perfaudit.facts.template_types import (
    Block,
    Include,
    Loop,
    MacroCall,
    Node,
    Once,
    Read,
    Regroup,
    Scope,
    Template,
)
from perfaudit.facts.templates import read_template

PAGE = """{% extends "base.html" %}
{% block content %}
{% for order in orders %}
  {{ order.customer.name|default:order.pk }}
  {% if forloop.first %}{{ order.number }}{% else %}{{ order.total }}{% endif %}
  {% for item in order.items.all %}{{ item.product }}{% empty %}none{% endfor %}
  {% include "row.html" with it=order only %}
  {% with who=order.customer %}{{ who }}{% endwith %}
  {% cache 500 rows %}{{ order.secret }}{% endcache %}
{% endfor %}
{% regroup orders by customer.name as groups %}
{% macro row(it, plain=1) %}{{ it.label() }}{% endmacro %}
{{ row(orders[0], plain=2) }}
{% endblock %}
"""


def walked(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop | Scope | Once | Block):
            yield from walked(node.body)


def reads(template: Template) -> list[str]:
    return [node.path.text for node in walked(template.nodes) if isinstance(node, Read)]


def test_loops_and_what_they_read() -> None:
    found = read_template(PAGE)
    loops = [node for node in walked(found.nodes) if isinstance(node, Loop)]
    assert [(loop.targets, loop.iterable and loop.iterable.text) for loop in loops] == [
        (("order",), "orders"),
        (("item",), "order.items.all"),
    ]
    assert "order.customer.name" in reads(found)
    assert "item.product" in reads(found)


def test_a_path_has_its_place_and_its_filters() -> None:
    path = next(
        node.path
        for node in walked(read_template(PAGE).nodes)
        if isinstance(node, Read) and node.path.text == "order.customer.name"
    )
    assert (path.line, path.column, path.end_column) == (4, 6, 25)
    assert path.filters == ("default",)


def test_what_runs_seldom_is_apart() -> None:
    kept = [
        path
        for node in walked(read_template(PAGE).nodes)
        if isinstance(node, Once)
        for path in reads(Template(node.body, "", {}, {}))
    ]
    assert kept == ["order.number", "order.secret"]


def test_templates_of_templates() -> None:
    found = read_template(PAGE)
    include = next(node for node in walked(found.nodes) if isinstance(node, Include))
    assert found.extends == "base.html"
    assert set(found.blocks) == {"content"}
    assert (include.template, include.only, include.names[0].name) == ("row.html", True, "it")


def test_macros_and_their_calls() -> None:
    found = read_template(PAGE)
    call = next(
        node for node in walked(found.nodes) if isinstance(node, MacroCall) and node.name == "row"
    )
    assert found.macros["row"].params == ("it", "plain")
    assert [path and path.text for path in call.arguments] == ["orders[]"]


def test_groups() -> None:
    group = next(node for node in walked(read_template(PAGE).nodes) if isinstance(node, Regroup))
    assert (group.name, group.items.text, group.steps) == ("groups", "orders", ("customer", "name"))


@pytest.mark.parametrize(
    "text",
    [
        "{# {{ a.b }} #}",
        "{% comment %}{{ a.b }}{% endcomment %}",
        "{% verbatim %}{{ a.b }}{% endverbatim %}",
        "{% raw %}{{ a.b }}{% endraw %}",
        "plain text",
        "{{ 'a.b' }} {{ 1.5 }} {{ forloop.counter }} {{ loop.index }}",
    ],
)
def test_what_reads_nothing(text: str) -> None:
    assert reads(read_template(text)) == []


@pytest.mark.parametrize("damage", [cut, shuffle_lines, swap_neighbours, unbalance_brackets])
@pytest.mark.parametrize("seed", range(12))
def test_damaged_templates_are_read(damage: object, seed: int) -> None:
    chance = random.Random(seed)
    data = PAGE.encode() * 3
    for _ in range(4):
        data = damage(data, chance)  # type: ignore[operator]
        read_template(data.decode("utf-8", "replace"))


def test_deep_nesting_ends() -> None:
    read_template("{% for a in b %}" * 5_000)
    read_template("{% if a %}" * 5_000 + "{% endif %}" * 5_000)
    read_template("{{ " + "(" * 20_000 + " }}")
