"""What stands in for a module that a peer imports and that must be compiled."""
