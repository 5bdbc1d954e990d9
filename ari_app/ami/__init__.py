"""Asterisk's manager interface (AMI), by panoramisk."""
