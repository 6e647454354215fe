# C types for wire/tables.py, used when it is compiled.
cimport cython

from cpython cimport array as c_array

@cython.final
cdef class Entry:
    cdef public object name
    cdef public long long states
    cdef public long long needs
    cdef public long long forbids
    cdef public int next_state
    cdef public long long sets
    cdef public long long clears
    cdef public long long first_word
    cdef public long long last_word
    cdef public Py_ssize_t min_body
    cdef public Py_ssize_t max_body
    cdef public tuple programs
    cdef public Py_ssize_t bucket
    cdef public long long charge
    cdef public bint resets_counter
    cdef public bytes answer
    cdef public bytes verdicts

@cython.final
cdef class Choice:
    cdef public Entry otherwise
    cdef public dict by_value
    cdef public Py_ssize_t offset
    cdef public Py_ssize_t width

@cython.final
cdef class Tables:
    cdef public object rules
    cdef public Py_ssize_t opcode_offset
    cdef public Py_ssize_t opcode_width
    cdef public Py_ssize_t body
    cdef public bint little
    cdef public Py_ssize_t word
    cdef public long long ordinary
    cdef public Py_ssize_t counter
    cdef public Py_ssize_t needed
    cdef public bytes trailer
    cdef public Py_ssize_t frame_bucket
    cdef public Py_ssize_t byte_bucket
    cdef public Py_ssize_t bare_bucket
    cdef public Py_ssize_t refusal_bucket
    cdef public Py_ssize_t distance_bucket
    cdef public int opaque
    cdef public long long grace
    cdef public c_array.array intervals
    cdef public c_array.array limits
    cdef public bytes verdicts
    cdef public object denied
    cdef public dict choices
    cdef public list by_opcode
