"""Every official sample name of NTU RGB+D, from who was recorded in which setup (facts of the two releases)."""

PERFORMERS = {
    1: "1-8", 2: "3 7-14", 3: "1 2 7 8 15-19", 4: "3 7 8 20", 5: "4 10 13 15-18 21", 6: "1 7 8 15-17 19 22-24",
    7: "1 7 8 15-19 25-28", 8: "1 7 8 15 19 25 29-36", 9: "7 8 15-17 19 25", 10: "7 8 13 15-19 21 25",
    11: "1 2 7 8 15-19 25 27 28 38", 12: "7 8 15-19 25 27 28 37", 13: "7 8 15-19 25 27 28 37",
    14: "7 8 15 17 19 25 27 37 39", 15: "7 8 15-17 19 25 37", 16: "7 8 19 21 25 39 40", 17: "3 7-9 15-17 20",
    18: "8 41-45", 19: "8 41 42 46-51", 20: "8 41 43 44 52-54", 21: "55-60", 22: "61-67", 23: "55-68",
    24: "57 60-64 67", 25: "55 56 58 59 65 66 68", 26: "8 41 44 49-51 69-72 74-77", 27: "6 8 11 41 43 44 78-86",
    28: "8 41-43 46 48 70 73 87", 29: "6 8 41 43 44 48 49 51 67 74 75 80 88-90",
    30: "8 11 41 43 44 48 67 75 76 81 85 88 91-96", 31: "6 8 41-44 51 67 82 85 96-101", 32: "8 41 43 44 67 102-106",
}  # fmt: skip


def numbers(text):
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def names():
    for setup, performers in PERFORMERS.items():
        actions = range(1, 61) if setup <= 17 else range(61, 121)
        for performer in numbers(performers):
            for camera in (1, 2, 3):
                for replication in (1, 2):
                    for a in actions:
                        yield f"S{setup:03d}C{camera:03d}P{performer:03d}R{replication:03d}A{a:03d}"
