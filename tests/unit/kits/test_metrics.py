from __future__ import annotations

from lab.kits.metrics import Registry


def test_the_text_format() -> None:
    registry = Registry()
    counter = registry.counter("hits_total", "Hits.")
    gauge = registry.gauge("level", "Back\\slash\nand line.")
    histogram = registry.histogram("wait_seconds", "Wait.", (0.1, 1.0))
    registry.collected("pool_size", "Size.", lambda: [({"pool": 'a"b'}, 4.0), ({"pool": "c"}, 0.5)])
    counter.add()
    counter.add(2)
    gauge.set(1, node="n")
    gauge.set(7, node="n")
    for value in (0.05, 0.1, 0.5, 30):
        histogram.observe(value)
    assert registry.render().splitlines() == [
        "# HELP hits_total Hits.",
        "# TYPE hits_total counter",
        "hits_total 3",
        "# HELP level Back\\\\slash\\nand line.",
        "# TYPE level gauge",
        'level{node="n"} 7',
        "# HELP wait_seconds Wait.",
        "# TYPE wait_seconds histogram",
        'wait_seconds_bucket{le="0.1"} 2',
        'wait_seconds_bucket{le="1"} 3',
        'wait_seconds_bucket{le="+Inf"} 4',
        "wait_seconds_sum 30.65",
        "wait_seconds_count 4",
        "# HELP pool_size Size.",
        "# TYPE pool_size gauge",
        'pool_size{pool="a\\"b"} 4',
        'pool_size{pool="c"} 0.5',
    ]


def test_a_counter_that_never_counted_is_zero() -> None:
    registry = Registry()
    registry.counter("x_total", "X.")
    assert registry.render().splitlines()[-1] == "x_total 0"
