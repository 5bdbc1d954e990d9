"""Calls on a real Asterisk, with the simulated carrier or a scripted SIP peer behind its trunk."""
