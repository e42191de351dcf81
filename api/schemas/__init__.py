"""What goes in and out of the front door's own API, one noun a file."""
