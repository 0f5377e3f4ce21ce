"""The embedded data set ``sim``: forward kinematics on the 25 joints of the Kinect v2.

``simulate`` yields recordings; a writer of ``zssar.datasets.writers`` turns them into files of a raw format, and
``to_layout`` gives them the joints of another sensor. The same seed gives the same numbers on every machine.
"""

from zssar.datasets.simulated.generate import performance, sim_classes, simulate
from zssar.datasets.simulated.layouts import to_layout
from zssar.datasets.simulated.recording import Recording

__all__ = ["Recording", "performance", "sim_classes", "simulate", "to_layout"]
