"""Plain NumPy twins of the multi-scenario blocks, from the papers' formulas, row by row.

`w` holds a block's weights by their path below the block, `own` is the place of a row's scenario
in the tables of known scenarios, None for a missing or unknown one.
"""

import numpy as np


def relu(x):
    return np.where(x > 0, x, 0.0)


def leaky_relu(x):
    return np.where(x > 0, x, 0.1 * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)))


def by_row(answer):
    """Makes a function of a batch out of one of a row; an index not in the table is unknown."""

    def answer_batch(x, scenario, num_scenarios, w, **options):
        rows = []
        for row, index in zip(x.astype("float64"), scenario, strict=True):
            own = int(index) - 2 if 2 <= index < num_scenarios else None
            rows.append(answer(row, own, w, **options))
        return np.stack(rows)

    return answer_batch


def count(w, prefix, suffix):
    found = 0
    while f"{prefix}_{found}{suffix}" in w:
        found += 1
    return found


def vector(table, own):
    return np.zeros(table.shape[1]) if own is None else table[own]


def dense(x, w, name):
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


@by_row
def normalize(row, own, w, prefix="", epsilon=1e-3):
    """The normalisation of STAR with moving statistics that are filled to `moving_share`."""
    w = {name.removeprefix(prefix): each for name, each in w.items()}
    place = 0 if own is None else own + 1
    mean = w["moving_mean"][place] / w["moving_share"][place]
    variance = w["moving_variance"][place] / w["moving_share"][place]
    scale = w["gamma"] * (1 + vector(w["scenario_gamma"], own))
    shift = w["beta"] + vector(w["scenario_beta"], own)
    return scale * (row - mean) / np.sqrt(variance + epsilon) + shift


@by_row
def star(row, own, w):
    index = [-1 if own is None else own + 2]
    hidden = normalize(row[None], index, 10**9, w, prefix="normalization/")[0]
    for i in range(count(w, "star", "/kernel")):
        kernel, bias = w[f"star_{i}/kernel"], w[f"star_{i}/bias"]
        if own is not None:
            kernel = kernel * (1 + w[f"star_{i}/scenario_kernel"][:, own])
            bias = bias + w[f"star_{i}/scenario_bias"][own]
        hidden = relu(hidden @ kernel + bias)
    seen = np.concatenate([row, vector(w["scenario_embedding"], own)])
    return hidden + dense(relu(dense(seen, w, "auxiliary/dense_0")), w, "auxiliary_output")


@by_row
def pepnet(row, own, w):
    def gate(name, x):
        seen = np.concatenate([vector(w["scenario_embedding"], own), x])
        return 2 * sigmoid(dense(relu(dense(seen, w, f"{name}/inner")), w, f"{name}/outer"))

    scaled = gate("input_gate", row) * row
    hidden = scaled
    for i in range(count(w, "layer", "/dense_0/kernel")):
        hidden = relu(dense(hidden, w, f"layer_{i}/dense_0"))
        hidden = gate(f"unit_gate_{i}", scaled) * hidden
    return hidden


def meta_towers(of_tasks, scenario, num_scenarios, w):
    """M2M's meta tower: for each row the weights of its scenario, a residual layer at a time."""
    found = {}
    for t, (name, vectors) in enumerate(of_tasks.items()):
        rows = []
        for h, index in zip(vectors, scenario, strict=True):
            e = vector(
                w["scenario_embedding"], int(index) - 2 if 2 <= index < num_scenarios else None
            )
            for i in range(count(w, f"task_{t}_layer", "/kernel")):
                unit = f"task_{t}_layer_{i}"
                kernel = w[f"{unit}/kernel"] + (e @ w[f"{unit}/kernel_maker"]).reshape(len(h), -1)
                h = leaky_relu(h @ kernel + w[f"{unit}/bias"] + e @ w[f"{unit}/bias_maker"] + h)
            rows.append(h)
        found[name] = np.stack(rows)
    return found


def personal_towers(of_tasks, x, scenario, prior, num_scenarios, w):
    """PPNet: the gate units' values are the tasks' one after the other."""
    rows = []
    for row, (index, seen, known) in enumerate(zip(scenario, x, prior, strict=True)):
        own = int(index) - 2 if 2 <= index < num_scenarios else None
        read = np.concatenate([vector(w["scenario_embedding"], own), known, seen])
        found = []
        for t, h in enumerate(each[row] for each in of_tasks.values()):
            for i in range(count(w, "layer", "/kernel_0")):
                bias = w[f"layer_{i}/bias_0"][t]
                inner = relu(dense(read, w, f"gate_{i}/inner"))
                gates = 2 * sigmoid(dense(inner, w, f"gate_{i}/outer"))
                gate = gates[t * len(bias) : (t + 1) * len(bias)]
                h = gate * relu(h @ w[f"layer_{i}/kernel_0"][t] + bias)
            found.append(h)
        rows.append(found)
    return {name: np.stack([each[t] for each in rows]) for t, name in enumerate(of_tasks)}


@by_row
def ada_sparse(row, own, w, temperature, threshold):
    def prune(x, i):
        scores = dense(x, w, f"pruner_{i}") + vector(w[f"pruner_{i}/scenario_bias"], own)
        factors = 2 * sigmoid(temperature * scores)
        return np.where(factors > threshold, factors, 0) * x

    hidden = prune(row, 0)
    for i in range(count(w, "layer", "/dense_0/kernel")):
        hidden = prune(relu(dense(hidden, w, f"layer_{i}/dense_0")), i + 1)
    return hidden


def shared_experts(x, w):
    outputs = []
    for e in range(w["experts/kernel_0"].shape[1]):
        hidden = relu(x @ w["experts/kernel_0"][:, e] + w["experts/bias_0"][e])
        for i in range(1, count(w, "experts/kernel", "")):
            hidden = relu(hidden @ w[f"experts/kernel_{i}"][e] + w[f"experts/bias_{i}"][e])
        outputs.append(hidden)
    return outputs


def scenario_experts(x, own, w):
    w = {n.removeprefix("scenario_experts/"): v for n, v in w.items() if "scenario_experts/" in n}
    outputs = []
    for e in range(w["kernel_0"].shape[1]):
        hidden = x
        for i in range(count(w, "kernel", "")):
            kernel = w[f"kernel_{i}"][e] if i else w["kernel_0"][:, e]
            bias = w[f"bias_{i}"][e]
            if own is not None:
                added = w[f"scenario_kernel_{i}"]
                kernel = kernel + (added[own, e] if i else added[:, own, e])
                bias = bias + w[f"scenario_bias_{i}"][own, e]
            hidden = relu(hidden @ kernel + bias)
        outputs.append(hidden)
    return outputs


def mix(weights, outputs):
    return sum(weight * each for weight, each in zip(weights, outputs, strict=True))


@by_row
def sar_net(row, own, w):
    z = row * (1 + vector(w["scenario_scale"], own)) + vector(w["scenario_offset"], own)
    return mix(softmax(dense(z, w, "gates")), shared_experts(z, w) + scenario_experts(z, own, w))


@by_row
def m2m(row, own, w):
    e = vector(w["scenario_embedding"], own)

    def unit(x, name):
        kernel = w[f"{name}/kernel"].copy()
        bias = w[f"{name}/bias"].copy()
        for i, component in enumerate(e):
            kernel += component * w[f"{name}/kernel_maker"][i].reshape(kernel.shape)
            bias += component * w[f"{name}/bias_maker"][i]
        return x @ kernel + bias

    experts = shared_experts(row, w)
    scores = [leaky_relu(unit(each, "attention_unit")) @ w["query"][:, 0] for each in experts]
    hidden = mix(softmax(np.array(scores)), experts)
    for i in range(count(w, "tower", "/kernel")):
        hidden = leaky_relu(unit(hidden, f"tower_{i}") + hidden)
    return hidden


@by_row
def hinet(row, own, w):
    def mixture(place):
        kernel, bias = w["scenario_gates/kernel"], w["scenario_gates/bias"]
        if place is not None:
            kernel = kernel + w["scenario_gates/scenario_kernel"][:, place]
            bias = bias + w["scenario_gates/scenario_bias"][place]
        return mix(softmax(row @ kernel + bias), scenario_experts(row, place, w))

    shared = mix(softmax(dense(row, w, "gates")), shared_experts(row, w))
    asked = np.zeros_like(shared)
    if own is not None:
        others = [place for place in range(len(w["attention_scores"])) if place != own]
        weights = softmax(w["attention_scores"][own][others])
        asked = w["attention_scale"][own] * mix(weights, [mixture(each) for each in others])
    return relu(dense(np.concatenate([shared, mixture(own), asked]), w, "joining"))
