"""What goes in and out of the front door's own API, by what it is about; `base` is what all share."""
