"""Timers of pages: which of them end, and what is said of their addresses."""

from textwrap import dedent

from perfaudit.program.timers import Timer, timers


def _found(text: str) -> list[Timer]:
    return list(timers(dedent(text), is_template=True))


def test_a_trigger_whose_other_branch_has_the_element_without_it_ends() -> None:
    (timer,) = _found(
        """\
        {% if is_running %}
          <div id="drum" hx-get="/beats" hx-trigger="every 2s">
        {% else %}
          <div id="drum">
        {% endif %}
        </div>
        """
    )
    assert timer.ends


def test_a_trigger_written_under_a_condition_inside_its_element_ends() -> None:
    (timer,) = _found('<div {% if is_running %}hx-trigger="every 2s"{% endif %}></div>')
    assert timer.ends


def test_a_trigger_without_condition_does_not_end() -> None:
    (timer,) = _found(
        """\
        {% if name %}<div>{{ name }}</div>{% else %}<div></div>{% endif %}
        <div hx-get="/beats" hx-trigger="every 2s"></div>
        """
    )
    assert not timer.ends


def test_a_trigger_that_only_some_readers_see_does_not_end() -> None:
    (timer,) = _found(
        """\
        {% if user.is_member %}
          <div id="drum" hx-get="/beats" hx-trigger="every 2s"></div>
        {% else %}
          <div id="sign-in">Sign in</div>
        {% endif %}
        """
    )
    assert not timer.ends


def test_a_trigger_of_both_branches_does_not_end() -> None:
    found = _found(
        """\
        {% if is_loud %}
          <div hx-get="/loud" hx-trigger="every 2s"></div>
        {% else %}
          <div hx-get="/low" hx-trigger="every 9s"></div>
        {% endif %}
        """
    )
    assert [timer.ends for timer in found] == [False, False]


def test_an_inner_loop_with_its_own_branches_is_not_the_condition() -> None:
    (timer,) = _found(
        """\
        {% for name in names %}<p>{{ name }}</p>{% else %}<p></p>{% endfor %}
        {% if is_running %}
          {% for name in names %}<div hx-trigger="every 2s"></div>{% endfor %}
        {% else %}
          <div></div>
        {% endif %}
        """
    )
    assert timer.ends


def test_an_address_made_by_the_template_is_not_known() -> None:
    found = _found(
        """\
        <div hx-get="{% url 'beats' %}" hx-trigger="every 2s"></div>
        <div hx-get="{{ address }}" hx-trigger="every 2s"></div>
        <script>setInterval(() => fetch("{% url 'beats' %}"), 2000);</script>
        """
    )
    assert [timer.address for timer in found] == ["", "", ""]
