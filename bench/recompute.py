#!/usr/bin/env python3
"""Recomputes every number of a comparison's report from the values of its single videos.

    python3 bench/recompute.py docs/results/journey.json

The report holds each video's value of each metric, and the bootstrap draws of the distances (which are of all videos
together). From them: means, 95 % intervals, seeds' means, differences from the reference row, p-values and Holm's
correction, by a second implementation of what the program does. Prints what differs by more than the rounding of the
values (seven digits); exit code 1 if anything does.
"""
import json
import math
import sys

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
DRAWS = 1000


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Random:
    """SplitMix64, seeded by a number and a stream."""

    def __init__(self, seed, stream):
        self.state = mix((seed + GOLDEN) & MASK)
        self.state = mix(self.state ^ mix((stream + GOLDEN) & MASK))

    def below(self, count):
        self.state = (self.state + GOLDEN) & MASK
        return int((mix(self.state) >> 11) / (1 << 53) * count)


def mean(values):
    kept = [v for v in values if v is not None and math.isfinite(v)]
    return sum(kept) / len(kept) if kept else math.nan


class Drawn:
    """A figure, its draws, and its value by training seed."""

    def __init__(self, value, draws, seeds):
        self.value, self.draws, self.seeds = value, draws, seeds

    def select(self, of):
        return Drawn(of(self.value), [of(d) for d in self.draws], [of(s) for s in self.seeds])

    def less(self, other):
        seeds = [a - b for a, b in zip(self.seeds, other.seeds)] if len(self.seeds) == len(other.seeds) else []
        return Drawn(self.value - other.value, [a - b for a, b in zip(self.draws, other.draws)], seeds)

    def ordered(self):
        kept = sorted(d for d in self.draws if math.isfinite(d))
        return kept, (self.value - kept[len(kept) // 2] if kept else 0)

    def interval(self):
        kept, off = self.ordered()
        if not kept:
            return self.value, self.value
        return kept[int(.025 * len(kept))] + off, kept[max(int(.975 * len(kept)) - 1, 0)] + off

    def p(self):
        kept, off = self.ordered()
        below, above = sum(d + off <= 0 for d in kept), sum(d + off >= 0 for d in kept)
        return min(1, 2 * (1 + min(below, above)) / (1 + len(kept)))


def of_values(by_seed, videos, picks):
    def one(seed, picked):
        return mean([by_seed[seed][n] for n in picked if n < len(by_seed[seed])])

    seeds = len(by_seed)
    own = [one(s, range(videos)) for s in range(seeds)]
    draws = []
    for d in range(DRAWS):
        random = Random(7, d)
        draws.append(mean([one(random.below(seeds), picks[d]) for _ in range(seeds)]))
    return Drawn(mean(own), draws, own)


def rows_of(report):
    videos = report["videos"]
    picks = []
    for d in range(DRAWS):
        random = Random(5, d)
        picks.append([random.below(videos) for _ in range(videos)])
    rows = {}
    for row in report["rows"]:
        drawn = {name: of_values(v, videos, picks) for name, v in row["values"].items()}
        for name, draws in row["draws"].items():
            printed = row["metrics"][name]
            seeds = printed.get("seeds") or [printed["mean"]]
            drawn[name] = Drawn(mean(seeds), [math.nan if d is None else d for d in draws], seeds)
        rows[row["name"]] = drawn
    return rows


def compare(report):
    wrong, count = [], 0

    # An interval is a sum of up to six numbers of seven digits each.
    def same(where, printed, found, size):
        nonlocal count
        count += 1
        if printed is None or isinstance(printed, str):  # not a number
            printed = math.nan
        if math.isnan(printed) and math.isnan(found):
            return
        if not abs(printed - found) <= 5e-6 * max(1, size):
            wrong.append(f"{where}: printed {printed:.7g}, found {found:.7g}")

    def size_of(*several):
        return max((abs(d) for one in several for d in one.draws + [one.value] if math.isfinite(d)), default=1)

    def estimate(where, printed, drawn, size):
        low, high = drawn.interval()
        same(f"{where}, mean", printed["mean"], drawn.value, size)
        same(f"{where}, low", printed["low"], low, size)
        same(f"{where}, high", printed["high"], high, size)
        for i, s in enumerate(printed.get("seeds") or []):
            same(f"{where}, seed {i + 1}", s, drawn.seeds[i], size)

    rows = rows_of(report)
    reference = rows.get(report["reference"])
    for row in report["rows"]:
        drawn = rows[row["name"]]
        for name, printed in row["metrics"].items():
            estimate(f"{row['name']}: {name}", printed, drawn[name], size_of(drawn[name]))
        tests = {}
        for name, printed in row["differences"].items():
            if report["best"][name] == "1":
                error = lambda v: abs(v - 1)
                difference = drawn[name].select(error).less(reference[name].select(error))
            else:
                difference = drawn[name].less(reference[name])
            where = f"{row['name']} less {report['reference']}: {name}"
            estimate(where, printed, difference, size_of(drawn[name], reference[name]))
            tests[name] = difference.p()
        primary = [name for name in report["primary"] if name in row["primary"]]
        largest = 0
        for rank, name in enumerate(sorted(primary, key=lambda n: tests[n])):
            largest = max(largest, min(1, (len(primary) - rank) * tests[name]))
            same(f"{row['name']}: p of {name}", row["primary"][name]["p"], tests[name], 1)
            same(f"{row['name']}: p of {name} by Holm", row["primary"][name]["holm"], largest, 1)
    return count, wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        report = json.load(file)
    if not report["rows"] or not report["rows"][0].get("values"):
        sys.exit(f"{sys.argv[1]}: a report without the values of its videos, from before they were kept")
    count, wrong = compare(report)
    for line in wrong:
        print(line)
    print(f"{count} numbers, {len(wrong)} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
