# The compiled form of wire/packing.py: the same, in C. Who compiles against it never imports that module's.
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef inline int append_packed(
    bytearray batch, unsigned long long slot, unsigned long long kind_and_length, bytes payload
) except -1:
    cdef Py_ssize_t start = PyByteArray_GET_SIZE(batch)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef unsigned char *place
    PyByteArray_Resize(batch, start + 8 + size)
    place = <unsigned char *>PyByteArray_AS_STRING(batch) + start
    place[0] = (slot >> 24) & 0xFF
    place[1] = (slot >> 16) & 0xFF
    place[2] = (slot >> 8) & 0xFF
    place[3] = slot & 0xFF
    place[4] = (kind_and_length >> 24) & 0xFF
    place[5] = (kind_and_length >> 16) & 0xFF
    place[6] = (kind_and_length >> 8) & 0xFF
    place[7] = kind_and_length & 0xFF
    memcpy(place + 8, PyBytes_AS_STRING(payload), size)
    return 0
