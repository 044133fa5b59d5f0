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
        z, r, h = np.split(event @ kernel + bias[0], 3)
        u_z, u_r, u_h = np.split(state @ recurrent_kernel + bias[1], 3)
        update, reset = sigmoid(z + u_z), sigmoid(r + u_r)
        state = update * state + (1 - update) * np.tanh(h + reset * u_h)
        states.append(state)
    return np.stack(states)


def lstm(x, kernel, recurrent_kernel, bias):
    """Gates in the order i, f, g, o."""
    width = x.shape[1]
    state, memory, states = np.zeros(width), np.zeros(width), []
    for event in x:
        i, f, g, o = np.split(event @ kernel + state @ recurrent_kernel + bias, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(memory)
        states.append(state)
    return np.stack(states)


def power_of_two(seconds):
    """How often the number can be halved: 0 below two seconds."""
    count = 0
    while seconds >= 2:
        seconds, count = seconds / 2, count + 1
    return count


def hstu(x, times, weights, num_layers, num_heads):
    """One row of events; `times` None, or whole seconds."""
    width = x.shape[1]
    positions = weights["positions/table"]
    # In a longer row the oldest events share the first position.
    x = x + positions[np.maximum(0, np.arange(len(x)) - max(0, len(x) - len(positions)))]
    head_dim = width // num_heads
    for index in range(num_layers):
        w = {k.split("/", 1)[1]: v for k, v in weights.items() if k.startswith(f"block_{index}/")}
        gamma, beta = w["input_norm/gamma"], w["input_norm/beta"]
        normed = np.stack([layer_norm(each, gamma, beta) for each in x])
        gate, value, query, key = np.split(
            silu(normed @ w["parts_kernel"] + w["parts_bias"]), 4, axis=1
        )
        output = np.zeros_like(x)
        for place in range(len(x)):
            sums = np.zeros(width)
            for other in range(place + 1):
                table = weights["distance_biases"][index]
                bias = table[min(place - other, len(table) - 1)]
                if times is not None:
                    apart = power_of_two(abs(int(times[place]) - int(times[other])))
                    bias = bias + weights["time_biases"][index][apart]
                for head in range(num_heads):
                    part = slice(head * head_dim, (head + 1) * head_dim)
                    score = silu(query[place, part] @ key[other, part] + bias)
                    sums[part] += score * value[other, part] / (place + 1)
            gated = layer_norm(sums, w["sum_norm/gamma"], w["sum_norm/beta"]) * gate[place]
            output[place] = gated @ w["joining/kernel"] + w["joining/bias"]
        x = x + output
    # Each state has the length sqrt(D), but for the scales.
    length = np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-6)
    return x / length * weights["norm/scale"]


def linear_recurrence(x, weights, num_layers):
    """Griffin's real-gated recurrence behind a gate, then a feed-forward layer."""
    for index in range(num_layers):
        w = {k.split("/", 1)[1]: v for k, v in weights.items() if k.startswith(f"block_{index}/")}
        state, output = np.zeros(x.shape[1]), []
        for event in x:
            normed = layer_norm(event, w["recurrence_norm/gamma"], w["recurrence_norm/beta"])
            r, i, v, g = np.split(normed @ w["parts_kernel"] + w["parts_bias"], 4)
            decay = np.exp(-8 * np.log1p(np.exp(w["decay"])) * sigmoid(r))
            state = decay * state + np.sqrt(1 - decay**2) * sigmoid(i) * v
            event = event + (state * silu(g)) @ w["joining/kernel"] + w["joining/bias"]
            normed = layer_norm(event, w["forward_norm/gamma"], w["forward_norm/beta"])
            hidden = np.maximum(normed @ w["expansion/kernel"] + w["expansion/bias"], 0)
            output.append(event + hidden @ w["contraction/kernel"] + w["contraction/bias"])
        x = np.stack(output)
    return np.stack([layer_norm(each, weights["norm/gamma"], weights["norm/beta"]) for each in x])


def convolution(x, kernel, bias, dilation=1):
    """Each position with those before it; zeros before the first."""
    size, output = len(kernel), []
    for place in range(len(x)):
        total = bias.copy()
        for step in range(size):
            other = place - (size - 1 - step) * dilation
            if other >= 0:
                total += x[other] @ kernel[step]
        output.append(total)
    return np.stack(output)


def cnn(x, weights, num_layers):
    """NextItNet's residual blocks, with dilations 1, 2, 4, 8 and so on."""
    for index in range(num_layers):
        added = x
        for place in (2 * index, 2 * index + 1):
            kernel, bias = (weights[f"convolution_{place}/{each}"] for each in ("kernel", "bias"))
            gamma, beta = (weights[f"norm_{place}/{each}"] for each in ("gamma", "beta"))
            added = convolution(added, kernel, bias, 2**place)
            added = np.maximum([layer_norm(each, gamma, beta) for each in added], 0)
        x = x + added
    return x


def caser(x, weights, window):
    """The paper's state of the window that ends at each event."""
    width = x.shape[1]
    padded = np.concatenate([np.zeros((window - 1, width)), x])
    biases = np.split(weights["horizontal_bias"], window)
    states = []
    for place in range(len(x)):
        picture, parts = padded[place : place + window], []
        for height in range(1, window + 1):
            kernel = weights[f"horizontal_kernel_{height}"]
            answers = [
                np.einsum("hd,hdf->f", picture[top : top + height], kernel) + biases[height - 1]
                for top in range(window - height + 1)
            ]
            parts.append(np.max(np.maximum(answers, 0), axis=0))
        parts += [row @ picture for row in weights["vertical_kernel"]]
        joined = np.concatenate(parts) @ weights["joining_kernel"] + weights["joining_bias"]
        states.append(np.maximum(joined, 0))
    return np.stack(states)


def din(events, is_valid, target, weights, bend, is_normalized=False):
    """`bend(index, values)` is the activation; the network is dense layers of given weights."""
    rows = []
    for row, valid, goal in zip(events, is_valid, target, strict=True):
        kept = row[valid].astype("float64")
        scores = []
        for event in kept:
            hidden = np.concatenate([event, goal, event - goal, event * goal]) @ weights["kernel"]
            hidden, index = hidden + weights["bias"], 0
            while f"dense_{index}/kernel" in weights:
                kernel, bias = (weights[f"dense_{index}/{each}"] for each in ("kernel", "bias"))
                hidden, index = bend(index, hidden) @ kernel + bias, index + 1
            scores.append(hidden[0])
        if is_normalized and scores:
            scores = softmax(np.array(scores))
        rows.append(sum((a * e for a, e in zip(scores, kept, strict=True)), np.zeros(len(goal))))
    return np.stack(rows)


def bst(events, is_valid, target, weights, num_layers, num_heads):
    """The target's state behind its row's events, all looking at all."""
    rows = []
    for row, valid, goal in zip(events, is_valid, target, strict=True):
        x = np.concatenate([row[valid], goal[None]]).astype("float64")
        steps = np.minimum(np.arange(len(x))[::-1], len(weights["steps"]) - 1)
        x = x + weights["steps"][steps]
        for index in range(num_layers):
            prefix = f"block_{index}/"
            block = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
            x = transformer_block(x, block, num_heads, lambda *_: True)
        rows.append(layer_norm(x[-1], weights["norm/gamma"], weights["norm/beta"]))
    return np.stack(rows)
