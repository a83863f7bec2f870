"""What the launcher and the public processes have to agree on."""

SNAPSHOT_VARIABLE = "HALFPENNY_SNAPSHOT"
"""Names the published folder, in the environment of the server and its kernels."""

NOTEBOOK = "public.ipynb"
WARM = 2
"""Kernels that are ready before anybody comes."""

MAX_BODY_BYTES = 65_536
"""The longest request, and the longest message of a visitor."""
