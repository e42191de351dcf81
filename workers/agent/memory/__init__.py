"""The memory of this host: what it says (`sources`) → what runs may have (`ceiling`) → what to do (`guard`).

`watch` puts the three together; everything but `sources` and `watch` is pure.
"""
