"""Mails: filled from a template, sent, saved."""
