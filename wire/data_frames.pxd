# C types for wire/data_frames.py, used when it is compiled. Bounds checks stay on: `data` comes from a network.
cimport cython

from wire cimport packing

cdef int _DATA, _HEADERS, _PUSH_PROMISE, _WINDOW_UPDATE, _CONTINUATION, _OTHER, _END_HEADERS, _PADDED
cdef Py_ssize_t _HEADER_BYTES, _MAX_OTHER_BYTES, _PREFIX_BYTES

@cython.final
cdef class FrameCutter:
    cdef Py_ssize_t _max_frame_bytes
    cdef Py_ssize_t _preface
    cdef bytearray _held
    cdef Py_ssize_t _needed
    cdef bint _is_in_headers
    cdef Py_ssize_t _headers_bytes
    cdef str _fault

    @cython.locals(
        found=list, size=Py_ssize_t, start=Py_ssize_t, longest=Py_ssize_t, length=Py_ssize_t, body=Py_ssize_t,
        end=Py_ssize_t, kind=int, flags=int, stream=Py_ssize_t, increment=Py_ssize_t, padding=Py_ssize_t,
    )
    cpdef list feed(self, bytes data)
    cpdef check(self)
    cdef list _refuse(self, list found, str fault)

@cython.locals(value=Py_ssize_t, index=Py_ssize_t)
cpdef Py_ssize_t read_number(bytes data, Py_ssize_t position) except -1
cpdef bytes pack_header(Py_ssize_t length, int kind, int flags, Py_ssize_t stream)
@cython.locals(index=Py_ssize_t)
cdef write_number(bytearray data, Py_ssize_t position, Py_ssize_t value)
@cython.locals(length=Py_ssize_t, size=Py_ssize_t, head=bytearray)
cpdef bytes pack_message(bytes message, Py_ssize_t stream)
cpdef bytes pack_data(bytes data, Py_ssize_t stream)
cpdef bytes pack_window_update(Py_ssize_t increment, Py_ssize_t stream)
