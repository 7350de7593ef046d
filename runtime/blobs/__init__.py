"""Blobs: bytes that are kept by what they are (SHA-256), many to a file, so that two hundred mails cost one fsync.

Packs of blobs lie in a folder, which machines may share, or in a bucket of an S3-compatible store. Nothing here needs
the database, so worker processes write packs and hand back only where their bytes lie.
"""

from .blobs import Blobs
from .bucket import Bucket, BucketUnreachableError
from .packs import PackWriter
from .refs import BlobDamagedError, BlobRef

__all__ = ["BlobDamagedError", "BlobRef", "Blobs", "Bucket", "BucketUnreachableError", "PackWriter"]
