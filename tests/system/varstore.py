# SPDX-License-Identifier: Apache-2.0
"""What is in EDK2's variable store, read from the flash's file: UEFI Platform Initialization Specification 1.8, volume 3, 3.2
(the volume's header), and the layout of EDK2's authenticated variables."""
import struct
import uuid

STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
NEWEL = uuid.UUID("83e126ee-0377-40c6-9f6b-4c1978a3858f")
HEADER = struct.Struct("<HBxIQ16xIII16s")
WHOLE = 0x3F  # added, and not deleted


def variables(path):
    """{(vendor, name): (attributes, data)} of all that count."""
    with open(path, "rb") as file:
        data = file.read(1 << 20)
    assert data[40:44] == b"_FVH"
    (at,) = struct.unpack_from("<H", data, 48)
    assert data[at : at + 16] == STORE
    (size,) = struct.unpack_from("<I", data, at + 16)
    end, at = at + size, at + 28
    found = {}
    while at + HEADER.size <= end:
        start, state, attributes, _, _, name_size, data_size, vendor = HEADER.unpack_from(data, at)
        if start != 0x55AA or state & 0x80:  # no header, or one that was not finished
            break
        text = at + HEADER.size
        value = text + name_size
        # One that is being replaced (bit 0 is clear) counts as long as there is no other.
        if state in (WHOLE, WHOLE & ~1):
            name = data[text : value - 2].decode("utf-16-le")
            key = (uuid.UUID(bytes_le=vendor), name)
            if state == WHOLE or key not in found:
                found[key] = (attributes, data[value : value + data_size])
        at = value + data_size + 3 & ~3
    return found


def host_variables(path):
    """Those that are not Newel's."""
    return {key: value for key, value in variables(path).items() if key[0] != NEWEL}
