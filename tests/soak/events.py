"""TensorBoard's event files as it reads them, without it: scalars by step, without wall times."""
import struct

SESSION_START = b"\x08\x01"  # SessionLog {1: status = START}


def records(data):
    """The payloads of a TFRecord file; half a record at its end was never written."""
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if at + 16 + length > len(data):
            return
        yield data[at + 12:at + 12 + length]
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message):
    """(field number, value) of a protobuf message: an integer, or bytes."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        else:
            if key & 7 == 2:
                size, at = varint(message, at)
            else:
                size = {1: 8, 5: 4}[key & 7]
            value, at = message[at:at + size], at + size
        yield key >> 3, value


def points(folder):
    """[step, tag, value] of one TensorBoard run; a file that starts at a step takes back what older files hold from there on."""
    found = []
    for path in sorted(folder.iterdir()):
        for record in records(path.read_bytes()):
            event = dict(fields(record))  # 2: step, 5: Summary {repeated 1: Value {1: tag, 2: float}}, 7: SessionLog
            step = event.get(2, 0)
            if event.get(7) == SESSION_START:
                found = [point for point in found if point[0] < step]
            for _, value in fields(event.get(5, b"")):
                scalar = dict(fields(value))
                found.append([step, scalar[1].decode(), struct.unpack("<f", scalar[2])[0]])
    return found
