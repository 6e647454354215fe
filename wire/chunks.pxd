# C types for wire/chunks.py, used when it is compiled. Bounds checks stay on: `batch` comes from a network.
cimport cython

from wire cimport packing

@cython.locals(length=Py_ssize_t)
cpdef append_chunk(bytearray batch, unsigned long long slot, int kind, bytes payload)

@cython.locals(position=Py_ssize_t, count=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t, kind=int, slot=Py_ssize_t)
cpdef Py_ssize_t check_chunks(bytes batch) except -1

cdef int _DATA, _END, _EVENT
cdef unsigned long long _MAX_SLOT
cdef Py_ssize_t _HEADER_BYTES, _MAX_CHUNK_BYTES, _MAX_CHUNKS, _EVENT_BYTES, _MAX_EVENT_BYTES, _LIGHT_BYTES, _SEAL_CHUNKS

cdef bint _can_be(int kind, Py_ssize_t length) except -1

@cython.locals(value=Py_ssize_t, index=Py_ssize_t)
cpdef Py_ssize_t read_slot(bytes batch, Py_ssize_t position) except -1
@cython.locals(value=Py_ssize_t, index=Py_ssize_t)
cpdef Py_ssize_t read_length(bytes batch, Py_ssize_t position) except -1

@cython.final
cdef class ChunkBuffer:
    cdef object _wake
    cdef object _rest
    cdef object _wait
    cdef object _seal
    cdef public bytes idle_frame
    cdef public bint is_due
    cdef public Py_ssize_t seal_bytes
    cdef Py_ssize_t _count
    cdef bytearray _chunks
    cdef public Py_ssize_t congested_bytes
    cdef public Py_ssize_t full_bytes
    cdef public Py_ssize_t sealed_bytes

    cpdef Py_ssize_t size(self) except -1
    cpdef bint is_congested(self)
    @cython.locals(waiting=Py_ssize_t)
    cpdef bint has_room(self, Py_ssize_t size)
    @cython.locals(was_empty=bint)
    cpdef add(self, unsigned long long slot, int kind, bytes payload)
    cpdef add_patient(self, unsigned long long slot, int kind, bytes payload)
    cdef _added(self)
    cpdef bytes take(self)
