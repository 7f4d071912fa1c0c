"""Statistics of paired answers from scipy, statsmodels and plain numpy: data/statistics.json.

pip install numpy==2.4.6 scipy==1.16.3 statsmodels==0.14.5
"""

import json
import pathlib

import numpy
import scipy
import scipy.stats
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

SEED = 20250415
RESAMPLES = 40_000

VERSIONS = {"numpy": "2.4.6", "scipy": "1.16.3", "statsmodels": "0.14.5"}
for module in (numpy, scipy, statsmodels):
    assert module.__version__ == VERSIONS[module.__name__], (module.__name__, module.__version__)

random = numpy.random.default_rng(SEED)


def wilson_cases():
    for correct, count in [(0, 1), (1, 1), (0, 10), (8, 10), (10, 10), (1, 3), (9394, 14042), (1216, 1319), (57, 100), (11582, 11582)]:
        low, high = proportion_confint(correct, count, alpha=0.05, method="wilson")
        normal = proportion_confint(correct, count, alpha=0.05, method="normal")
        error = float(numpy.sqrt(correct / count * (1 - correct / count) / count))
        sample = [1.0] * correct + [0.0] * (count - correct)
        yield {
            "correct": correct,
            "count": count,
            "low": float(low),
            "high": float(high),
            "normal_low": float(normal[0]),
            "normal_high": float(normal[1]),
            "standard_error": error,
            "sample_standard_error": float(scipy.stats.sem(sample)) if count > 1 else None,
        }


def mcnemar_cases():
    pairs = [(0, 0), (0, 1), (1, 1), (0, 6), (3, 10), (10, 3), (25, 25), (120, 150), (612, 700), (2000, 2100), (1, 400)]
    for first, second in pairs:
        p = float(mcnemar([[50, first], [second, 50]], exact=True).pvalue)
        if first + second > 0:
            other = scipy.stats.binomtest(min(first, second), first + second, 0.5).pvalue
            assert abs(p - other) < 1e-9, (first, second, p, other)
        yield {"only_first": first, "only_second": second, "p": min(1.0, p)}


def holm_cases():
    for size in (1, 2, 5, 57, 67):
        values = numpy.round(random.uniform(0, 1, size) ** 4, 6)
        yield {"p": values.tolist(), "adjusted": multipletests(values, method="holm")[1].tolist()}
    ties = [0.01, 0.01, 0.04, 1.0, 0.04]
    yield {"p": ties, "adjusted": multipletests(ties, method="holm")[1].tolist()}


def answers(count, accuracy, change):
    """Right (1) and wrong (0) of two models, as texts of digits: `change` of the answers are drawn anew for the second."""
    first = random.uniform(size=count) < accuracy
    second = numpy.where(random.uniform(size=count) < change, random.uniform(size=count) < accuracy + 0.06, first)
    return first.astype(int), second.astype(int)


def interval(values):
    return [float(x) for x in numpy.percentile(values, [2.5, 97.5])]


def resampled(groups):
    """Literal resampling, both models together: all rows for micro, rows within each subject for macro."""
    own = numpy.random.default_rng(SEED + 1)
    differences = [second - first for first, second in groups]
    whole = numpy.concatenate(differences)
    micro = numpy.zeros(RESAMPLES)
    macro = numpy.zeros(RESAMPLES)
    for i in range(RESAMPLES):
        micro[i] = whole[own.integers(0, len(whole), len(whole))].mean()
        macro[i] = numpy.mean([d[own.integers(0, len(d), len(d))].mean() for d in differences])
    return interval(micro), interval(macro)


def comparison():
    sizes = {"anatomy": (135, 0.62, 0.3), "virology": (166, 0.5, 0.5), "astronomy": (152, 0.8, 0.2), "global_facts": (100, 0.4, 0.9), "prehistory": (324, 0.7, 0.25)}
    subjects = {}
    groups = {}
    for name, (count, accuracy, change) in sizes.items():
        first, second = groups[name] = answers(count, accuracy, change)
        single = scipy.stats.bootstrap(
            (first, second),
            lambda a, b, axis=-1: b.mean(axis=axis) - a.mean(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=random,
        ).confidence_interval
        table = [[int((first & second).sum()), int((first & (1 - second)).sum())], [int(((1 - first) & second).sum()), int(((1 - first) & (1 - second)).sum())]]
        subjects[name] = {
            "first": "".join(map(str, first)),
            "second": "".join(map(str, second)),
            "table": table,
            "p": float(mcnemar(table, exact=True).pvalue),
            "interval": [float(single.low), float(single.high)],
        }
    adjusted = multipletests([s["p"] for s in subjects.values()], method="holm")[1]
    for subject, value in zip(subjects.values(), adjusted):
        subject["holm"] = float(value)
    micro, macro = resampled(list(groups.values()))
    whole = [numpy.concatenate(side) for side in zip(*groups.values())]
    means = [[float(numpy.mean([g[side].mean() for g in groups.values()]))] for side in (0, 1)]
    variance = sum(g[0].var() / len(g[0]) for g in groups.values()) / len(groups) ** 2
    table = [[int((whole[0] & whole[1]).sum()), int((whole[0] & (1 - whole[1])).sum())], [int(((1 - whole[0]) & whole[1]).sum()), 0]]
    return {
        "subjects": subjects,
        "micro": [float(side.mean()) for side in whole],
        "macro": [value for (value,) in means],
        "macro_standard_error_first": float(numpy.sqrt(variance)),
        "micro_interval": micro,
        "macro_interval": macro,
        "p": float(mcnemar(table, exact=True).pvalue),
    }


def pooled():
    """lm-eval's standard error of a group that is weighted by size (lm_eval.api.metrics.pooled_sample_stderr)."""
    sizes = [100, 135, 166]
    accuracies = [0.3, 0.6, 0.5]
    errors = [float(numpy.sqrt(p * (1 - p) / (n - 1))) for p, n in zip(accuracies, sizes)]
    pooled_variance = sum((n - 1) * e**2 * n for n, e in zip(sizes, errors)) / (sum(sizes) - len(sizes))
    return {"sizes": sizes, "accuracies": accuracies, "errors": errors, "pooled": float(numpy.sqrt(pooled_variance / sum(sizes)))}


golden = {
    "versions": VERSIONS,
    "seed": SEED,
    "resamples": RESAMPLES,
    "wilson": list(wilson_cases()),
    "mcnemar": list(mcnemar_cases()),
    "holm": list(holm_cases()),
    "comparison": comparison(),
    "pooled": pooled(),
}
path = pathlib.Path(__file__).parent / "data/statistics.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
