"""What a host does about its own key and certificate request: decided here, carried out by `apply`."""
