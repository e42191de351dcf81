"""`cidermill demo`: the whole system on real models, each result checked."""
