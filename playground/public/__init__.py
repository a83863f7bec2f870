"""The page for strangers: a snapshot in Voilà, in processes that can neither spend nor write.

    launch   starts the server: its own folder, an environment of a few allowed names
    server   the server process: which routes there are, how many kernels, when they go
    channel  which messages a visitor may send to a kernel, and which come back
    kernel   the kernel process: limits, and `guard`, which refuses to import what spends
    page     the page in the kernel: searches in the snapshot's own database

Only `launch` runs in the owner's process. The others import nothing of the gallery, the ledger
or the provider, and `guard` makes sure of it.
"""
