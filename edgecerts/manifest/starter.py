"""The manifest that `edgecerts init` writes."""

STARTER = """\
# yaml-language-server: $schema=pki.schema.json
#
# The certificates of a plant: who signs them, which brokers and which clients there are.
# `edgecerts plan` says what would be made, and why; `edgecerts apply` makes exactly that.
#
# Lines that begin with # are comments: remove the # to use what stands behind it.
# With `edgecerts schema > pki.schema.json` next to this file, editors with a YAML language server complete the keys,
# explain them and underline mistakes.

version: 1

# Where keys and certificates are written, relative to this file.
output: pki

# What holds for every broker and client that does not say otherwise. The authority takes `subject` from here, too.
defaults:
  subject:
    organization: My Company
    # country: US                    # two upper-case letters
    # state: Texas
    # locality: Houston
    # organizational_unit: SCADA
    # email: pki@my-company.example
  # key_type: ec-p256                # for old devices: rsa-2048
  # validity: 825d                   # a number with h, d, w or y; or not_after: 2035-12-31T23:59:59Z
  # renew_before: 33%                # of the lifetime; or a duration such as 60d
  # key_held: here                   # where private keys live: here, delivered (to their host) or csr (made there)
  # csr: requests/{name}.csr         # with key_held: csr, the request that the host sends

# The authority signs all the others. Its certificate, ca.pem, goes to every broker and client.
ca:
  common_name: My Company Edge CA
  # validity: 3650d
  # private_key: {env: EDGECERTS_CA_KEY}  # where its key is, if not in the output folder; or {offline: true}
  # The password of the authority's private key, at least 12 characters. It never stands in this file: it comes from
  # an environment variable, or is asked for on the terminal.
  password: {env: EDGECERTS_CA_PASSWORD, prompt: true}

# The brokers. The name of an entry is the name of its folder.
brokers:
  plant-a:
    common_name: broker.plant-a.example   # the host name or IP address that clients connect to
    # alt_names: [10.3.0.11, broker]      # its other names and addresses
    # ip_as_dns: true                     # only for clients with Mbed TLS before 3.5
    # usages: [server, client]            # only for a broker that is also a bridge client

# The clients. A broker may take the common name as the MQTT user name; without one it is the name of the entry.
clients:
  gateway-1:
  # line-4-gateway:
  #   common_name: LINE4
  #   key_type: rsa-2048
  #   key_held: delivered
  #   password: {file: "secrets/{name}.txt"}
"""
"""Valid as it stands: one authority, one broker, one client, and the rest as comments."""
