"""Plain NumPy twins of the blocks, written from the papers' formulas with loops over rows."""

import numpy as np


def relu(x):
    return np.where(x > 0, x, 0.0)


def softmax(x):
    return np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)))


def cross(x0, x, kernel, bias, down_kernel=None):
    """DCNv2, equations 1 and 2: x0 * (W x + b) + x, row by row."""
    rows = []
    for first, last in zip(x0, x, strict=True):
        matrix = kernel.T if down_kernel is None else kernel.T @ down_kernel.T
        rows.append(first * (matrix @ last + bias) + last)
    return np.stack(rows)


def dense(x, weights):
    """Dense layers with ReLU; `weights` is kernel, bias, kernel, bias and so on."""
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = relu(x @ kernel + bias)
    return x


def mmoe(x, experts, gates):
    """MMoE, equations 6 to 8.

    `experts` holds each expert's `[kernel, bias, ...]`, `gates` each task's `(kernel, bias)`.
    """
    outputs = []
    for gate_kernel, gate_bias in gates:
        rows = []
        for row in x:
            weights = softmax(row @ gate_kernel + gate_bias)
            parts = [w * dense(row, each) for w, each in zip(weights, experts, strict=True)]
            rows.append(np.sum(parts, axis=0))
        outputs.append(np.stack(rows))
    return outputs


def attention_pooling(events, is_valid, kernel, bias, query, length_power=1.0):
    """Hierarchical attention, equations 5 to 7, over the valid positions of each row."""
    rows = []
    for row, valid in zip(events, is_valid, strict=True):
        kept = row[valid]
        if len(kept) == 0:
            rows.append(np.zeros(row.shape[1]))
            continue
        weights = softmax(np.tanh(kept @ kernel + bias) @ query)
        rows.append(len(kept) ** (1 - length_power) * (weights @ kept))
    return np.stack(rows)


def history(ids, values, table, values_kernel, statistics_kernel):
    """The history encoder over a mean pooling: bag, bag of deviations, statistics."""
    rows = []
    for row_ids, row_values in zip(ids, values, strict=True):
        pooled = np.zeros(table.shape[1])
        met = [i for i in row_ids if i != 0]
        if met:
            pooled = np.mean([table[i] for i in met], axis=0)
        rated = [(i, v) for i, v in zip(row_ids, row_values, strict=True) if i != 0 and v != 0]
        mean = np.mean([v for _, v in rated]) if rated else 0.0
        if rated:
            bag = sum((v - mean) * table[i] for i, v in rated) / np.sqrt(len(rated))
            pooled = pooled + bag @ values_kernel
        rows.append(pooled + np.array([np.log(1 + len(met)), mean]) @ statistics_kernel)
    return np.stack(rows)


def bag_history(ids, values, items, valued, statistics):
    """The bag encoder: both sums divided by the root of their number, and the statistics."""
    rows = []
    for row_ids, row_values in zip(ids, values, strict=True):
        met = [i for i in row_ids if i != 0]
        rated = [(i, v) for i, v in zip(row_ids, row_values, strict=True) if i != 0 and v != 0]
        mean = np.mean([v for _, v in rated]) if rated else 0.0
        row = np.array([np.log(1 + len(met)), float(not met), mean]) @ statistics
        for i in met:
            row = row + items[i] / np.sqrt(len(met))
        for i, v in rated:
            row = row + (v - mean) * valued[i] / np.sqrt(len(rated))
        rows.append(row)
    return np.stack(rows)
