"""Taking over a PKI that other tools made: what a folder holds, what belongs together, and what pki.yaml says of it.

A folder of files goes in, an `Adoption` comes out. Nothing here writes, and nothing goes by a file's name where a
signature or a key can tell.
"""
