"""edgecerts: plans and makes the certificates of MQTT brokers and clients from one file, pki.yaml."""

__version__ = "0.1.0"
