"""Pictures and words from elsewhere: folders, other tools' metadata, archives, logs, our exports.

Everything here comes from strangers: nothing is executed, no name in a file decides where
anything is written, sizes are bounded, and no cost is claimed for what others made.
"""
