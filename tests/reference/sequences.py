"""Plain NumPy twins of the sequence blocks, written with loops over rows and positions."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)))


def silu(x):
    return x * sigmoid(x)


def layer_norm(x, gamma, beta, epsilon=1e-6):
    centred = x - np.mean(x)
    return gamma * centred / np.sqrt(np.mean(centred**2) + epsilon) + beta


def by_row(events, is_valid, encode):
    """Encodes each row's valid events alone and puts the states where they stood."""
    states = np.zeros(events.shape)
    for row, valid, state in zip(events, is_valid, states, strict=True):
        if valid.any():
            state[valid] = encode(row[valid].astype("float64"))
    return states


def attention(x, kernel, bias, num_heads, may_look):
    """Each position's weighted mean of the values, head by head."""
    width = x.shape[1]
    head_dim = width // num_heads
    query, key, value = np.split(x @ kernel + bias, 3, axis=1)
    output = np.zeros_like(x)
    for head in range(num_heads):
        part = slice(head * head_dim, (head + 1) * head_dim)
        for place in range(len(x)):
            seen = [other for other in range(len(x)) if may_look(place, other)]
            scores = [query[place, part] @ key[each, part] / np.sqrt(head_dim) for each in seen]
            for weight, each in zip(softmax(np.array(scores)), seen, strict=True):
                output[place, part] += weight * value[each, part]
    return output


def transformer_block(x, weights, num_heads, may_look):
    """`weights` by name, a layer's under `layer/name`; ReLU in the feed-forward layer."""
    w = weights
    gamma, beta = w["attention_norm/gamma"], w["attention_norm/beta"]
    normed = np.stack([layer_norm(each, gamma, beta) for each in x])
    attended = attention(normed, w["attention_kernel"], w["attention_bias"], num_heads, may_look)
    x = x + attended @ w["joining/kernel"] + w["joining/bias"]
    gamma, beta = w["forward_norm/gamma"], w["forward_norm/beta"]
    normed = np.stack([layer_norm(each, gamma, beta) for each in x])
    hidden = np.maximum(normed @ w["expansion/kernel"] + w["expansion/bias"], 0)
    return x + hidden @ w["contraction/kernel"] + w["contraction/bias"]


def sasrec(x, weights, num_layers, num_heads, is_causal=True):
    """One row of events; causal, or each looking at all."""
    x = x + weights["positions/table"][: len(x)]
    may_look = (lambda place, other: other <= place) if is_causal else (lambda *_: True)
    for index in range(num_layers):
        prefix = f"block_{index}/"
        block = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
        x = transformer_block(x, block, num_heads, may_look)
    gamma, beta = weights["norm/gamma"], weights["norm/beta"]
    return np.stack([layer_norm(each, gamma, beta) for each in x])


def gru(x, kernel, recurrent_kernel, bias):
    """Cho's unit with the reset gate after its product; gates in the order z, r, h."""
    width = x.shape[1]
    state, states = np.zeros(width), []
    for event in x:
        z, r, h = np.split(event @ kernel + bias, 3)
        u_z, u_r, u_h = np.split(state @ recurrent_kernel, 3)
        update, reset = sigmoid(z + u_z), sigmoid(r + u_r)
        state = update * state + (1 - update) * np.tanh(h + reset * u_h)
        states.append(state)
    return np.stack(states)
