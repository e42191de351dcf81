"""What runtimes share when they describe a launch."""
