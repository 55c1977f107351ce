"""Joins the parts' JSON files of a folder into one, and compares LongTake's numbers with the peer's.

    python3 report.py FOLDER OUT.json
"""
import array
import glob
import json
import math
import os
import sys


def read(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        return {"missing": str(error)}


def apart(ours, theirs):
    """Relative distance of two files of float32."""
    values = []
    for path in (ours, theirs):
        if not os.path.exists(path):
            return None
        a = array.array("f")
        with open(path, "rb") as file:
            a.frombytes(file.read())
        values.append(a)
    if len(values[0]) != len(values[1]):
        return math.inf
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(*values)) / sum(b * b for b in values[1]))


def main(folder, out):
    parts = {os.path.basename(p)[:-5]: read(p) for p in sorted(glob.glob(os.path.join(folder, "*.json")))}
    with open(os.path.join(folder, "status.txt")) as file:
        status = dict(line.split("=", 1) for line in file.read().splitlines())
    compared, wrong = {}, [f"{name}: ended with {code}" for name, code in status.items() if code != "0"]
    wrong += [f"{name}: not right" for name, part in parts.items() if part.get("right") is False]
    for name, ours in parts.items():
        theirs = parts.get("peer-" + name)
        if theirs is None or "seconds" not in ours or "seconds" not in theirs:
            continue
        row = {"ours": min(ours["seconds"]), "peer": min(theirs["seconds"])}
        row["times as fast"] = row["peer"] / row["ours"]
        if name.startswith("wan"):
            row["apart"] = apart(os.path.join(folder, name + ".bin"), os.path.join(folder, "peer-" + name + ".bin"))
            if row["apart"] is not None and not row["apart"] < 0.03:
                wrong.append(f"{name}: {row['apart']:.3g} apart from the peer's")
        else:
            for key in ("fm", "dm", "gap", "critic", "studentGradient", "criticGradient"):
                row[key] = abs(ours[key] - theirs[key]) / max(1e-3, abs(theirs[key]))
                if not row[key] < 0.05:
                    wrong.append(f"{name}: {key} {ours[key]:.4g}, the peer's {theirs[key]:.4g}")
        compared[name] = row
    with open(out, "w") as file:
        json.dump({"wrong": wrong, "compared": compared, "status": status, "parts": parts}, file, indent=1)
    print(json.dumps({"wrong": wrong, "compared": compared}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
