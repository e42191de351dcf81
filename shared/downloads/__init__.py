"""How bytes of models get onto a host: resumable, checked, cancellable."""
