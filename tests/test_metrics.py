"""What Prometheus reads of our counters, read back by its own parser."""

from prometheus_client.parser import text_string_to_metric_families

from xferzone import metrics
from xferzone.metrics import ANSWERS, BUCKETS, BYTES, HITS, OTHER, QUESTIONS, ROUNDS, SECONDS, SIZE


def samples(sums: list[int]) -> dict[tuple[str, ...], float]:
    text = "\n".join(metrics.exposition(sums)) + "\n"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_no_two_counters_share_a_cell() -> None:
    cells = [
        cell + at
        for family in (
            *(ROUNDS, BYTES, metrics.ARTIFACTS, SECONDS, QUESTIONS, ANSWERS, HITS),
            *(
                metrics.WALKS,
                metrics.WALK_BYTES,
                metrics.ROUTED,
                metrics.LIMITED,
                metrics.ZONES,
                metrics.CACHE,
                metrics.FILES,
            ),
        )
        for cell, _ in family.combinations()
        for at in range(family.width)
    ]
    assert cells == list(range(SIZE))


def test_a_cell_is_told_under_its_labels_and_others_are_not_told() -> None:
    sums = [0] * SIZE
    sums[ROUNDS.cell("push", "refused")] = 3
    sums[QUESTIONS.cell("HTTPS", "tcp")] = 5
    sums[ANSWERS.cell("BADVERS", "udp")] = 7
    assert samples(sums) == {
        ("xferzone_xfer_rounds_total", "push", "refused"): 3,
        ("xferzone_dns_questions_total", "HTTPS", "tcp"): 5,
        ("xferzone_dns_answers_total", "BADVERS", "udp"): 7,
        ("xferzone_dns_cache_hits_total",): 0,
    }


def test_a_value_that_a_label_does_not_have_is_other() -> None:
    assert QUESTIONS.cell("LOC", "udp") == QUESTIONS.cell(OTHER, "udp")
    assert ROUNDS.cell("repair", "strange") == ROUNDS.cell(OTHER, OTHER)


def test_seconds_are_a_histogram_whose_buckets_add_up() -> None:
    sums = [0] * SIZE
    for seconds in (0.005, 0.0051, 0.3, 31.0):
        for cell, number in metrics.observed("pull", seconds).items():
            sums[cell] += number
    found = samples(sums)
    counts = [found["xferzone_xfer_seconds_bucket", "pull", str(float(bound))] for bound in BUCKETS]
    assert counts == [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]
    assert found["xferzone_xfer_seconds_bucket", "pull", "+Inf"] == 4
    assert found["xferzone_xfer_seconds_count", "pull"] == 4
    assert found["xferzone_xfer_seconds_sum", "pull"] == 31.3101
