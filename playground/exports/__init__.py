"""What leaves the gallery as files; the gallery itself is only read.

    Selection ─► items, a page at a time ─► tables   CSV, TSV, JSON, JSON lines, Parquet
                                        ├─► page     one HTML page · Markdown for posts
                                        ├─► copies   pictures without private metadata, with ours
                                        └─► archive  zip of copies and their data

Groups of `fields` decide what goes along. Every export is written whole or not at all.
"""
