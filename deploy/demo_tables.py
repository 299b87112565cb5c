"""The demo's tables, from the JSON that `homolog -o json` printed.

Usage: demo_tables.py emergence|ablations FOLDER, or demo_tables.py name FILE
"""
import collections
import glob
import json
import os
import re
import sys


def load(path):
    with open(path) as file:
        return json.load(file)


def table(header, rows):
    rows = [header] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def emergence(folder):
    """Share of universal neurons (mean rule) by training step and threshold, mean over references."""
    by_step = {}
    for path in glob.glob(os.path.join(folder, "correlations-*.json")):
        step = int(re.search(r"-(\d+)\.json$", path).group(1))
        by_step[step] = load(path)["correlations"]
    last = by_step[max(by_step)]
    layers = last[0]["reference"]["shape"]["layers"]
    per_layer = int(last[0]["reference"]["shape"]["d_mlp"])
    rows = []
    for step in sorted(by_step):
        shares = collections.defaultdict(list)
        in_layer = collections.defaultdict(list)
        for correlation in by_step[step]:
            for share in correlation["universal_shares"]:
                if share["rule"] != "UNIVERSALITY_RULE_MEAN":
                    continue
                shares[share["threshold"]].append(share["universal_share"])
                if share["threshold"] == 0.5:
                    for layer, count in enumerate(share["layer_counts"]):
                        in_layer[layer].append(int(count) / per_layer)
        rows.append([str(step)] + [f"{mean(shares[t]):.2%}" for t in sorted(shares)] +
                    [f"{mean(in_layer[layer]):.2%}" for layer in range(int(layers))])
    print(f"\nShare of universal neurons, mean over {len(last)} models:")
    table(["step", "> 0.4", "> 0.5", "> 0.6"] +
          [f"layer {layer} > 0.5" for layer in range(int(layers))], rows)


def ablations(folder):
    rows = []
    for name in ("universal", "random", "others"):
        result = load(os.path.join(folder, f"ablation-{name}.json"))
        effect, spread = result["effect"], result.get("effect_std")

        def shown(field):
            return f"{effect[field]:.4f}" + (f" ± {spread[field]:.4f}" if spread else "")

        rows.append([name, str(effect["neuron_count"]), f"{result['clean_loss']:.4f}",
                     shown("loss_increase"), shown("kl"), shown("top1_agreement")])
    table(["ablated", "neurons", "clean loss", "loss increase", "KL", "top-1 agreement"], rows)
    print("nats; random: mean ± standard deviation over draws")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("emergence", "ablations", "name"):
        sys.exit(__doc__)
    if sys.argv[1] == "emergence":
        emergence(sys.argv[2])
    elif sys.argv[1] == "ablations":
        ablations(sys.argv[2])
    else:
        print(load(sys.argv[2])["correlations"][0]["name"])


if __name__ == "__main__":
    main()
