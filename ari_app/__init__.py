"""Kakehashi's telephony application: any phone becomes a company phone, on Asterisk."""
