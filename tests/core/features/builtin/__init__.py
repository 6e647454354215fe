"""Tests of them."""
