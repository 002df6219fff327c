"""What is there: the output folder read into facts. Reads files, writes none, and opens no encrypted key."""

from edgecerts.observed.scan import scan

__all__ = ["scan"]
