"""What a reader does on the live page, in a real browser."""

import json


SHOWN = "document.documentElement.dataset.version"
CHART = "document.querySelector('#curves .chart')"
ROWS = f"{CHART}.view.data('rows')"


def open_page(tab, address):
    """Opens the page and waits until all of it is drawn."""
    tab.open("about:blank")  # a page of before may complain that its server has ended
    tab.requests.clear(), tab.complaints.clear()
    tab.open(address)
    tab.wait(SHOWN)


def choose(tab, name, value):
    """Chooses as a reader does, and waits until it is drawn."""
    tab.run(f"delete {SHOWN}, document.getElementById('{name}').focus()")
    tab.run(
        f"(select => {{ select.value = {json.dumps(value)}; select.dispatchEvent(new Event('change')) }})"
        f"(document.getElementById('{name}'))"
    )
    tab.wait(SHOWN)


def click_chart(tab, chart, x, y):
    """Clicks a chart at a point given in its own scales."""
    tab.run(f"{chart}.scrollIntoView({{block: 'center'}})")
    place = tab.run(
        f"(chart => {{ const box = chart.querySelector('canvas').getBoundingClientRect(), view = chart.view, "
        "half = name => (view.scale(name).bandwidth?.() ?? 0) / 2, [left, top] = view.origin(), "
        "edge = view.padding(); return "
        f"[box.left + edge.left + left + view.scale('x')({json.dumps(x)}) + half('x'), "
        f"box.top + edge.top + top + view.scale('y')({json.dumps(y)}) + half('y')] }})({chart})"
    )
    tab.run(f"delete {SHOWN}")
    tab.click(*place)
    tab.wait(SHOWN)


def is_clean(tab, address):
    """Nothing complained, and nothing was asked of another machine."""
    assert tab.complaints == [], tab.complaints
    assert len(tab.requests) > 5
    assert [one for one in tab.requests if not one.startswith((address, "about:", "data:"))] == []
