"""Files of lamina's format, taken apart and put together again with a checksum that is right."""

import json
import struct

from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from lamina.storage import container


def header_of(data):
    """The header of a file, and where its arrays begin."""
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:begin]), begin


def parts_of(data):
    """The description in a file, and its arrays."""
    return json.loads(header_of(data)[0]["__metadata__"]["lamina"]), from_bytes(data)


def file_of(description, arrays):
    """A file that says this, and whose checksum is right."""
    description = {**description, "checksum": container._checksum(description, arrays)}
    return to_bytes(arrays, {"lamina": json.dumps(description)})


def raw(header, data=b""):
    """A file with this header, whatever it says."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data
