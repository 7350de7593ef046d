"""S/MIME (RFC 8551): mails signed and encrypted."""
