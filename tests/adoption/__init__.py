"""Taking over what other tools made: `edgecerts import`."""
