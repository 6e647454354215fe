"""The contracts between processes and the Python code generated from them (``generate.py``)."""
