"""X.509 itself: names, profiles, key types, private keys and certificates.

Values and bytes in, values and bytes out. Nothing here knows a file, a manifest or a clock.
"""
