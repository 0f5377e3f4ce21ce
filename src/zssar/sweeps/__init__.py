"""Many small runs in one process: random class draws and ablations of closed-form methods.

The pipeline gives every run its own jobs and files, which is right for a network that trains for minutes and wasteful
for an equation that is solved in milliseconds. A sweep does what extract_features, align and evaluate do, with the same
functions, for hundreds of cells, and writes the same runs file. ``tests/test_sweeps.py`` holds the two together.
"""
