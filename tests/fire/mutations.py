"""Changes of files: of bytes, and of what they mean, so that the code behind the checksums is reached, too."""

import copy
import json
import math
import struct

import numpy as np

from containers import file_of, header_of, parts_of, raw
from lamina.selection import trial_file

SIZES = [0, 1, 2, 7, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 1.5, -0.0, 1e-320, 1e308, math.nan, math.inf, -math.inf, 10**30, -(10**400)),
    *("", "x", "\ud800", "\0", "é" * 100, "x" * 5000, "nan", "0", "tanh", "Dense", "Network", "Ensemble", "float64"),
    *([], {}, [[]], [None], {"name": "x"}, {"": []}, [0] * 1000, [[0.5] * 3] * 3),
    *SIZES,
    *(-size for size in SIZES),
]


def of_bytes(data, draw, others):
    """One change that knows nothing of the format; `others` are files to take pieces of."""
    at = draw.randrange(len(data) + 1)
    if draw.random() < 0.5:  # where lengths and descriptions are
        at = min(at, draw.choice([8, 16, 300]))
    end = min(len(data), at + draw.choice([1, 2, 4, 8, 100, 4000]))
    how = draw.randrange(10)
    if how <= 2 and data:
        changed = bytearray(data)
        for _ in range(draw.choice([1, 1, 2, 8])):
            changed[draw.randrange(at, len(data)) if at < len(data) else -1] ^= 1 << draw.randrange(8)
        return bytes(changed)
    if how == 3:
        return data[:at]
    if how == 4:
        return data[:at] + data[end:]
    if how == 5:
        return data[:at] + data[at:end] * draw.choice([2, 3, 50]) + data[end:]
    if how == 6:
        other = draw.choice(others)
        begin = draw.randrange(len(other) + 1)
        return data[:at] + other[begin : begin + draw.choice([4, 100, 10**9])] + data[end:]
    if how == 7:
        size = draw.choice(SIZES)
        piece = draw.choice([struct.pack("<Q", size), struct.pack("<I", size % 2**32), str(size).encode()])
        return data[:at] + piece + data[at + len(piece) :]
    if how == 8:
        return data + draw.choice([b"\0", b"\0" * 8, b"{}", data[:100], draw.randbytes(50)])
    sign = draw.choice([b"[", b"{", b'{"a":', b'"', b"\\", b",", b"9", b"\0"])
    return data[:at] + sign * draw.choice([1, 10, 1000, 100_000]) + data[at:]


def places(value, here=()):
    """Where in nested lists and dicts there is anything."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*here, key)
        yield from places(inside, (*here, key))


def inside(value, place):
    for key in place:
        value = value[key]
    return value


def of_json(value, draw):
    """A change of a nested list or dict, in place."""
    found = list(places(value))
    if not found:
        return
    place = draw.choice(found)
    parent, key = inside(value, place[:-1]), place[-1]
    old, how = parent[key], draw.randrange(10)
    if how <= 3:
        parent[key] = copy.deepcopy(draw.choice(VALUES))
    elif how == 4 and isinstance(old, (int, float)):
        parent[key] = draw.choice([old + 1, old - 1, -old, old * 2, float(old), int(old) if math.isfinite(old) else 0])
    elif how == 5:
        parent[key] = copy.deepcopy(inside(value, draw.choice(found)))
    elif how == 6:
        del parent[key]
    elif how == 7:
        again = copy.deepcopy(inside(value, draw.choice(found)))
        parent.append(again) if isinstance(parent, list) else parent.__setitem__(draw.choice(["x", "", "name"]), again)
    elif how == 8:
        parent[key] = [copy.deepcopy(old)] * draw.choice([0, 1, 2, 300])
    else:
        for _ in range(draw.choice([1, 50, 200])):
            old = [old]
        parent[key] = old


def of_arrays(arrays, draw):
    """A change of arrays by name, in place."""
    name = draw.choice(sorted(arrays)) if arrays else "0.weight"
    array, how = arrays.get(name, np.zeros((2, 2), np.float32)), draw.randrange(9)
    if how == 0:
        arrays.pop(name, None)
    elif how == 1:
        arrays[draw.choice([f"9{name}", "input.mean", "state", "slot.7", ""])] = array
    elif how == 2:
        arrays[name] = array.reshape(-1)
    elif how == 3:
        arrays[name] = np.ascontiguousarray(array.T)
    elif how == 4:
        arrays[name] = array[: draw.choice([0, 1, -1])]
    elif how == 5:
        with np.errstate(invalid="ignore", over="ignore"):
            arrays[name] = array.astype(
                draw.choice(["float16", "float32", "float64", "int32", "int64", "bool", "uint8"])
            )
    elif how == 6:
        arrays[name] = np.concatenate([array] * draw.choice([2, 20]))
    elif array.size:
        changed = array.copy()
        changed.flat[draw.randrange(array.size)] = draw.choice([0, -1, 1e30, -1e-40, math.nan, math.inf, 2.0**62])
        arrays[name] = changed


def of_container(data, draw, others):
    """A file of lamina's format with other contents, and mostly the checksum of these."""
    if draw.random() < 0.3:
        return of_bytes(data, draw, others)
    if draw.random() < 0.15:  # what safetensors says of the arrays
        header, begin = header_of(data)
        tensors = {name: of for name, of in header.items() if name != "__metadata__"}
        for _ in range(draw.choice([1, 1, 2])):
            of_json(tensors, draw)
        return raw({**tensors, "__metadata__": header["__metadata__"]}, data[begin:])
    if draw.random() < 0.1:  # any text, and as long as the file says
        begin = header_of(data)[1]
        return raw(of_bytes(data[8:begin], draw, others), data[begin:])
    description, arrays = parts_of(data)
    try:
        for _ in range(draw.choice([1, 1, 2, 4])):
            if draw.random() < 0.75:
                of_json(description, draw)
            else:
                of_arrays(arrays, draw)
        return file_of(description, arrays)
    except (RecursionError, TypeError, ValueError):  # nested too deeply, or no array of such a type
        return of_bytes(data, draw, others)


def of_search(data, draw, others):
    """The file of a search with other trials, and mostly the checksums of these."""
    if draw.random() < 0.3:
        return of_bytes(data, draw, others)
    header, *trials = [json.loads(line) for line in data.splitlines()]
    entries = [header, *trials]
    for entry in entries:
        del entry["checksum"]
    try:
        for _ in range(draw.choice([1, 1, 2])):
            how = draw.randrange(5)
            if how <= 2:
                of_json(draw.choice(entries), draw)
            elif how == 3:
                entries.insert(draw.randrange(1, len(entries) + 1), copy.deepcopy(draw.choice(entries)))
            elif len(entries) > 1:
                del entries[draw.randrange(1, len(entries))]
        of_header = trial_file._checksum(entries[0], "")
        return trial_file._line(entries[0], "") + b"".join(trial_file._line(each, of_header) for each in entries[1:])
    except (RecursionError, TypeError, ValueError):
        return of_bytes(data, draw, others)


def of_onnx(data, draw, others):
    """An ONNX file with other nodes, attributes, shapes and numbers."""
    import onnx

    if draw.random() < 0.3:
        return of_bytes(data, draw, others)
    model = onnx.load_from_string(data)
    for _ in range(draw.choice([1, 1, 2, 4])):
        _of_message(model, draw)
    return model.SerializeToString()


def _of_message(message, draw):
    """Change a field of a message of protobuf, or of one inside it."""
    while True:
        found = message.ListFields()
        if not found:
            return
        field, value = draw.choice(found)
        repeated, nested = hasattr(value, "__len__") and not isinstance(value, (str, bytes)), field.message_type
        if nested and draw.random() < 0.85:
            message = draw.choice(value) if repeated else value
            continue
        break
    if repeated:
        at, how = draw.randrange(len(value)), draw.randrange(4)
        if how == 0:
            del value[at]
        elif how == 1:
            value.extend([value[at]] * draw.choice([1, 1, 30]))
        elif nested:
            del value[draw.randrange(len(value)) :]
        else:
            value[at] = _scalar(value[at], draw)
    elif nested or draw.random() < 0.2:
        message.ClearField(field.name)
    else:
        try:
            setattr(message, field.name, _scalar(value, draw))
        except (TypeError, ValueError):  # of an enumeration, or of 32 bits
            message.ClearField(field.name)


def _scalar(old, draw):
    """Another value of the type."""
    if isinstance(old, bytes):
        return of_bytes(old, draw, [old])[:100_000]
    if isinstance(old, str):
        words = [*"xyW0", "", "Gemm", "MatMul", "Add", "RNN", "Softmax", "x" * 1000, "../../x"]
        if old.startswith("{"):  # what lamina has written about the model
            about = json.loads(old)
            of_json(about, draw)
            return json.dumps(about)
        return draw.choice([*words, old[:-1], old * 2])
    if isinstance(old, float):
        return draw.choice([0.0, -1.0, 1e30, math.nan, math.inf, -old, old * 2])
    return draw.choice([old + 1, old - 1, -old, *(size for size in SIZES if size < 2**63), -1, -(2**63)])
