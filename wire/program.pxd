# C types for wire/program.py, used when it is compiled. Bounds checks stay on: `data` comes from a network.
cimport cython
from libc.stdint cimport int64_t

from wire cimport packing

cdef int FORBIDDEN, ALLOWED, BEGINS_PHRASE
cdef int INT, TEXT, SEQUENCE, RAW, REST, REPEAT, PACKED, WHEN, TAIL

@cython.final
cdef class Instruction:
    cdef int operation
    cdef Py_ssize_t width
    cdef bint signed
    cdef bint little
    cdef long long low
    cdef long long high
    cdef tuple ranges
    cdef bytes characters
    cdef tuple phrases
    cdef int register
    cdef bint inverted
    cdef Py_ssize_t steps
    cdef long long item_bytes
    cdef object capture
    cdef bint measured

@cython.final
cdef class Program:
    cdef tuple _instructions
    cdef bytes _data
    cdef Py_ssize_t _position
    cdef Py_ssize_t _end
    cdef list _memories
    cdef list _registers
    cdef public list captured
    cdef public long long distance

    @cython.locals(fits=bint)
    cpdef Py_ssize_t run(self, bytes data, Py_ssize_t start, Py_ssize_t end, list memories) except -2

    @cython.locals(index=Py_ssize_t, step=Instruction, operation=int, fits=bint)
    cdef bint _block(self, Py_ssize_t first, Py_ssize_t last) except -1

    @cython.locals(value=cython.longlong)
    cdef bint _integer(self, Instruction step) except -1

    @cython.locals(data=bytes, position=Py_ssize_t, size=Py_ssize_t, start=Py_ssize_t, last=Py_ssize_t,
                   index=Py_ssize_t, characters=bytes)
    cdef bint _text(self, Instruction step) except -1

    @cython.locals(data=bytes, phrase=bytes, size=Py_ssize_t)
    cdef bint _begins_phrase(self, Instruction step, Py_ssize_t start, Py_ssize_t last) except -1

    @cython.locals(position=Py_ssize_t, size=Py_ssize_t)
    cdef bint _sequence(self, Instruction step) except -1

    @cython.locals(size=Py_ssize_t)
    cdef bint _raw(self, Instruction step) except -1

    @cython.locals(count=cython.longlong, last=Py_ssize_t)
    cdef bint _repeat(self, Instruction step, Py_ssize_t first) except -1

    @cython.locals(position=Py_ssize_t, size=Py_ssize_t, count=Py_ssize_t, last=Py_ssize_t,
                   point=Instruction)
    cdef bint _packed(self, Instruction step, Py_ssize_t first) except -1

    @cython.locals(behind=Py_ssize_t, position=Py_ssize_t, x=cython.longlong, y=cython.longlong)
    cdef _measure(self, Py_ssize_t start, Py_ssize_t end, bint little)

    @cython.locals(memory=bytes, size=Py_ssize_t)
    cdef bint _memory(self, Instruction step) except -1

    @cython.locals(high=Py_ssize_t, low=Py_ssize_t)
    cdef Py_ssize_t _size(self, Instruction step) except -1

    @cython.locals(data=bytes, position=Py_ssize_t, raw=bytes, value=cython.longlong, index=Py_ssize_t,
                   half=cython.longlong)
    cdef int64_t _number(self, Py_ssize_t width, bint signed, bint little) except? -1

@cython.locals(low=cython.longlong, high=cython.longlong)
cdef bint _within(long long value, tuple ranges) except -1
