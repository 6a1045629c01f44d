"""The pipeline: one module per node of the DAG, run as `python -m stages.<name>`.

Importing this package pins the instruction set of torch's kernels (see `agch.runtime`). It has to
happen here, because a stage imports torch through the library before its `main` runs.
"""

from agch.runtime import pin_instruction_set
from stages.params import wants_strict

if wants_strict():
    pin_instruction_set()
